"""Published results, each with the configuration that repeats it here and the verdict on what came out."""
