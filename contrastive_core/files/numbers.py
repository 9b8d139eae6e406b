"""Which text is a number: what tells the header of a table from its first row."""


def is_number(text: str) -> bool:
    """Whether a cell of a file is a number, infinity and NaN among them."""
    try:
        float(text)
    except ValueError:
        return False
    return True
