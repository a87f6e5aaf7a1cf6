#!/usr/bin/python3
"""What a user of pandas would do to prepare MovieLens-20M: read, sort by user and time
(stable), and group by user.  Prints the seconds of each step.

    pandas_prep.py RATINGS
"""
import sys
import time

import numpy as np
import pandas as pd

start = time.perf_counter()
frame = pd.read_csv(sys.argv[1], dtype={"userId": np.int32, "movieId": np.int32,
                                        "rating": np.float32, "timestamp": np.int64})
read = time.perf_counter()
# One key, in 64 bits, sorts some ten times as fast as sort_values() with two.
key = frame["userId"].to_numpy().astype(np.int64) << 32 | frame["timestamp"].to_numpy()
frame = frame.take(np.argsort(key, kind="stable"))
ordered = time.perf_counter()
histories = frame.groupby("userId", sort=False).indices
end = time.perf_counter()
print(f"read {read - start:.2f} sort {ordered - read:.2f} group {end - ordered:.2f} "
      f"all {end - start:.2f} s, {len(histories)} users, {len(frame)} events")
