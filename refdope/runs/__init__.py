"""One run on disk: its settings, its folder, its checkpoints, its report; and compressing what a run has trained."""
