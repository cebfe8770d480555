"""A process of its own that judges: `python judging_process.py URL FOLDER COUNT` prints each verdict's events."""

import json
import sys

from fake_chat import judge_at, texts

if __name__ == "__main__":
    url, folder, count = sys.argv[1:]
    verdicts = judge_at(url, folder, concurrency=4, timeout=20.0)(texts(int(count)))
    sys.stdout.write(json.dumps([verdict.events and verdict.events.to_dict() for verdict in verdicts]))
