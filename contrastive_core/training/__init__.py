"""Training: the loop, its resumable state, evaluation, warm starts, optimisers and augmented views."""
