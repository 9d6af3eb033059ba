"""Many runs: experiment files, the order of their runs, side by side or on a cluster, and their tables."""
