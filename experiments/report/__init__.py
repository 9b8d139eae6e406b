"""A run as one HTML page, written once or watched while it goes on."""
