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
frame = frame.sort_values(["userId", "timestamp"], kind="stable", ignore_index=True)
ordered = time.perf_counter()
histories = frame.groupby("userId", sort=False).indices
end = time.perf_counter()
print(f"read {read - start:.2f} sort {ordered - read:.2f} group {end - ordered:.2f} "
      f"all {end - start:.2f} s, {len(histories)} users, {len(frame)} events")
