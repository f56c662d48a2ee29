"""A scoring program for the tests: answers with the picture's size in bytes, or misbehaves as told.

Usage: scoring_program.py BEHAVIOUR COUNT_FILE; the file counts how often the program was started.
"""

import json
import sys
import time
from pathlib import Path

behaviour, counter = sys.argv[1], Path(sys.argv[2])
starts = int(counter.read_text()) + 1 if counter.exists() else 1
counter.write_text(str(starts))

if behaviour == "never_ready":
    time.sleep(60)
if behaviour == "dies_at_start":
    sys.exit("ImportError: no hpsv3 here")
print({"list": "[]", "unready": "{}"}.get(behaviour, '{"ready": true}'), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    answer = {"id": request["id"], "score": 3.5}
    if behaviour == "hangs_once" and starts == 1:
        time.sleep(60)
    if behaviour == "hangs":
        time.sleep(60)
    if behaviour == "dies_once" and starts == 1:
        sys.exit("out of memory")
    if behaviour == "nonsense":
        print("Loading checkpoint shards: 100%", flush=True)
    if behaviour == "nan":
        answer["score"] = float("nan")
    if behaviour == "wrong_id":
        answer["id"] = 0
    if behaviour == "error":
        answer = {"id": request["id"], "error": "the picture is broken"}
    if behaviour == "size":
        answer["score"] = Path(request["image"]).stat().st_size
    print(json.dumps(answer), flush=True)
