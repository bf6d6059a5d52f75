"""Numbers and names in words."""


def printable(text: str) -> str:
    """`text` without control characters or undecodable bytes: file names can hold both."""
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def size_text(count: float) -> str:
    """Bytes in the unit that fits, powers of 1000."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 999.5:  # what would be shown as 1000 is 1 of the next
            return f"{count:.3g} {unit}" if unit != "bytes" else f"{count:.0f} bytes"
        count /= 1000
    return f"{count:,.1f} TB"


def images(count: int) -> str:
    """A number of images."""
    return f"{count:,} image{'' if count == 1 else 's'}"


def shards(count: int) -> str:
    """A number of shards."""
    return f"{count:,} shard{'' if count == 1 else 's'}"


def duration(seconds: float) -> str:
    """A time, as exact as one wants it."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def _escaped(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # a byte that is no UTF-8, as os.fsdecode() has it
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()
