#!/usr/bin/env python3
"""Leave-one-out from the raw ratings: shares no code with the tools, nor their files but answers and metrics.

usage: leave_one_out.py RATINGS ANSWERS METRICS [--split test|val] [--columns USER,ITEM,TIME]

RATINGS  the text that ul-prep read: CSV, TSV or '::' (then --columns are numbers from 1: 1,2,4)
ANSWERS  what ul-gen --rank K wrote of it
METRICS  what ul-eval --format json wrote of that

Each user's target is the last event (val: the last but one) in the order of time, ties in the order of the
file.  Fails if an answer has another target, an item that the user had before, an item twice, or another
rank than the item's place; if a user is missing; or if a metric is not, to its last digit, what comes from
the ranks, and from the places in the lists.
"""

import argparse
import csv
import json
import math
import sys


def need(condition, *what):
    if not condition:
        sys.exit("FAILED: " + " ".join(map(str, what)))


def rows(path):
    with open(path, encoding="utf-8", newline="") as file:
        first = file.readline()
        file.seek(0)
        if "::" in first:
            yield from (line.rstrip("\r\n").split("::") for line in file)
        else:
            yield from csv.reader(file, delimiter="\t" if "\t" in first else ",")


def histories(path, columns):
    """{user: [item, ...]}, the oldest first."""
    events, table = {}, rows(path)
    if all(column.isdigit() for column in columns):
        places = [int(column) - 1 for column in columns]
    else:
        places = list(map(next(table).index, columns))
    for row in table:
        user, item, time = (row[place] for place in places)
        events.setdefault(user, []).append((float(time), item))
    for user, list_ in events.items():
        list_.sort(key=lambda event: event[0])  # stable
        events[user] = [item for _, item in list_]
    return events


def place_of(target, items):
    """1-based; None where it is not there."""
    return items.index(target) + 1 if target in items else None


def check_answer(answer, history, back):
    user, items, rank = answer["user"], answer["items"], answer["rank"]
    target, had = history[-back], set(history[:-back])
    need(answer["target"] == target, "user", user, "has the target", answer["target"], "not", target)
    need(len(set(items)) == len(items), "user", user, "gets an item twice")
    need(not had & set(items), "user", user, "gets what is known already:", *sorted(had & set(items)))
    place = place_of(target, items)
    if place is not None:
        need(rank == place, "user", user, "has the rank", rank, "and the target in place", place)
    elif target in had:
        need(rank is None, "user", user, "has the rank", rank, "for an item that is left out")
    else:
        need(rank is None or rank > len(items), "user", user, "has the rank", rank, "but it is not listed")


def value(name, place):
    kind, _, k = name.partition("@")
    if place is None or (k and place > int(k)):
        return 0.0
    return {"hr": 1.0, "ndcg": 1 / math.log2(place + 1), "mrr": 1 / place}[kind]


def check_metrics(metrics, answers, whole):
    """whole: the lists have all that may be ranked, so that they tell the MRR, too."""
    names = [name for name in metrics if name == "mrr" or "@" in name]
    need("mrr" in names and any(name.startswith("ndcg@") for name in names), "the metrics", names)
    need(metrics["n"] == len(answers), metrics["n"], "users, not", len(answers))
    shortest = min(len(answer["items"]) for answer in answers)
    for name in names:
        told = [answer["rank"] for answer in answers]
        found = [place_of(answer["target"], answer["items"]) for answer in answers]
        ways = [told]
        if whole or ("@" in name and int(name.partition("@")[2]) <= shortest):
            ways.append(found)
        for places in ways:
            mean = math.fsum(value(name, place) for place in places) / len(answers)
            need(f"{mean:.6f}" == f"{metrics[name]:.6f}", name, "is", f"{metrics[name]:.6f}", "not", f"{mean:.6f}")
        print(f"{name} {metrics[name]:.6f} by {'rank and items' if len(ways) == 2 else 'rank alone'}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("ratings")
    parser.add_argument("answers")
    parser.add_argument("metrics")
    parser.add_argument("--split", choices=("test", "val"), default="test")
    parser.add_argument("--columns", default="user,item,time")
    given = parser.parse_args()
    back = 1 if given.split == "test" else 2
    users = histories(given.ratings, given.columns.split(","))
    catalogue = {item for history in users.values() for item in history}
    answers = list(map(json.loads, open(given.answers, encoding="utf-8")))
    asked = {user for user, history in users.items() if len(history) >= 3}
    need(len(answers) == len(asked) and {answer["user"] for answer in answers} == asked, "the users of the answers")
    whole = True
    for answer in answers:
        history = users[answer["user"]]
        check_answer(answer, history, back)
        whole = whole and len(answer["items"]) >= len(catalogue - set(history[:-back]))
    metrics, = json.load(open(given.metrics, encoding="utf-8"))
    check_metrics(metrics, answers, whole)


main()
