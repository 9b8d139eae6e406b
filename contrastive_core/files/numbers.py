"""Recognition of numbers in text, which tells the header of a table from its first row."""


def is_number(text: str) -> bool:
    """Whether a text is a number; infinity and NaN are numbers too."""
    try:
        float(text)
    except ValueError:
        return False
    return True
