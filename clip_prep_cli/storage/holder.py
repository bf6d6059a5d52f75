"""Who writes to a set: what the lock file says of it, wherever that is."""

import json
import os
import socket
from datetime import UTC, datetime

from clip_prep_cli.errors import BusyError


def this_process() -> dict[str, str | int]:
    """What a lock file says of this process."""
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def busy(directory: str, holder: bytes, more: str = "") -> BusyError:
    """That another process, which has written `holder`, is writing to a set."""
    try:
        fields = json.loads(holder)
        who = f"process {fields['pid']} on {fields['host']}, since {fields['since']}"
    except (ValueError, TypeError, KeyError):  # caught between taking the lock and signing it
        who = "it has just started"
    return BusyError(
        f"Another run is writing to {directory}: {who}.",
        f"Wait for it to finish, or use another --out.{more}",
    )
