"""Bytes changed a little, as a fuzzer does: most of them still look like what they were."""

import random


def mutate(data: bytes, random_: random.Random) -> bytes:
    """Change a few bytes, mostly near the beginning, where the headers are."""
    changed = bytearray(data)
    for _ in range(random_.choice([1, 2, 4, 16])):
        at = random_.randrange(min(len(changed), random_.choice([30, 100, 10_000])))
        match random_.randrange(4):
            case 0:
                changed[at] = random_.choice([0, 1, 127, 128, 255])
            case 1:
                changed[at] ^= 1 << random_.randrange(8)
            case 2:
                changed[at:at] = random_.randbytes(random_.randrange(1, 9))
            case _:
                del changed[max(at, 12) : max(at, 12) + random_.randrange(1, 9)]
    return bytes(changed)
