"""Imperfections of hardware, each a frozen setting with hooks into the stages of a training step."""
