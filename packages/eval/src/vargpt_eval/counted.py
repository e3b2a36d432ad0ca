"""Numbers of things in messages."""


def counted(number: int, thing: str) -> str:
    """`1 image`, `2 images`, `1,204 images`."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"
