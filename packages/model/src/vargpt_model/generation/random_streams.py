"""Seeds of the random streams of one row: each purpose and each image has its own."""

import hashlib


def stream_seed(seed: int, purpose: str, index: int = 0) -> int:
    """A 63-bit seed that depends on these three alone, so that neither a row's neighbours in a
    batch nor the number of words before an image change what is drawn.
    """
    digest = hashlib.sha256(f"{seed}/{purpose}/{index}".encode()).digest()
    return int.from_bytes(digest[:8]) >> 1
