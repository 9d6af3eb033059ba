"""How arrays are compared: entry by entry, along directions, or as their sizes suggest. Nothing is imported here."""

from typing import Literal

How = Literal["auto", "entries", "directions"]
