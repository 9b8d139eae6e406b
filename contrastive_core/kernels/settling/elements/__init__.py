"""Pieces that every settling kernel is made of: codes, scalar formulas, loops, vector instructions, launches and requests."""
