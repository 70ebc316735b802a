"""A node under load, as a process that a test may kill: the real publisher, outbox, event file.

`busy_node.py URL STATE_DIR RECORD EVERY_S`: changes of two cameras come at this pace, until the
file `quiet` lies in the state directory. SIGTERM ends it cleanly.
"""

import signal
import sys
import threading
import time
from pathlib import Path

from support.processes.node import Node, change, recognition

from har_stream.mqtt import connection
from har_stream.publishing.event_log import EventLog

CAMERAS = ("cam1", "cam2")


def main() -> None:
    """Be busy until told to end."""
    url, state_dir, record = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    every_s = float(sys.argv[4])
    connection.RETRY_LONGEST_S = 2.0  # a test has no minute to wait
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    log = EventLog(record)
    node = Node(url, state_dir, cameras=CAMERAS, clock=time.monotonic, record=log.append)
    node.publisher.start()
    minute = 0
    while not ended.wait(every_s):
        camera = CAMERAS[minute % 2]
        node.publisher.publish(recognition(minute=minute, camera=camera))
        if not (state_dir / "quiet").exists():
            node.publisher.publish(change(camera=camera, minute=minute))
            minute += 1
    node.close()
    log.close()


if __name__ == "__main__":
    main()
