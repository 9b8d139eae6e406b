"""What a representation is worth, measured: probes with labels, geometry without them, and collapse."""
