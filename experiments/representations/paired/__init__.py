"""Two modalities: their retrieval, the gap between them and its cures."""
