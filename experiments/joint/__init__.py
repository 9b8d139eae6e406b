"""Joint energy models: the command that compares ways to train them, its trial, its measures and its report."""
