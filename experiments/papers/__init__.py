"""Source papers: what of each is here, by which command."""
