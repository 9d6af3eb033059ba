"""Measurements of this package against its peers; never imported by it."""
