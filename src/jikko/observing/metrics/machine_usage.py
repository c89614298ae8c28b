"""Resource usage of a process, and of a server as a whole."""

import os
import resource
from pathlib import Path

from jikko.observing.metrics.metrics_snapshot import Snapshot


def usage() -> Snapshot:
    """What this process uses of the machine."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    found: Snapshot = [("process_cpu_seconds_total", (), [used.ru_utime + used.ru_stime])]
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        found.append(("process_resident_memory_bytes", (), [float(pages * resource.getpagesize())]))
        found.append(("process_open_fds", (), [float(len(os.listdir("/proc/self/fd")) - 1)]))
    except OSError:
        pass  # no Linux
    return found


def of_server(members: int, began: float) -> Snapshot:
    """What is known of a server as a whole.
    ``members``: processes that accept requests. ``began``: when it started, by ``time.time``."""
    return [("jikko_members", (), [float(members)]), ("process_start_time_seconds", (), [began])]
