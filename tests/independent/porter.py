"""Porter's stemmer, written from "An algorithm for suffix stripping" (1980) alone, for the check of ROUGE on stems."""

import re

STEP_2 = {"ational": "ate", "tional": "tion", "enci": "ence", "anci": "ance", "izer": "ize", "abli": "able",
          "alli": "al", "entli": "ent", "eli": "e", "ousli": "ous", "ization": "ize", "ation": "ate", "ator": "ate",
          "alism": "al", "iveness": "ive", "fulness": "ful", "ousness": "ous", "aliti": "al", "iviti": "ive",
          "biliti": "ble"}
STEP_3 = {"icate": "ic", "ative": "", "alize": "al", "iciti": "ic", "ical": "ic", "ful": "", "ness": ""}
STEP_4 = ["al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "ion", "ou", "ism", "ate",
          "iti", "ous", "ive", "ize"]


def shape(stem):
    """A letter c or v for each of the stem's."""
    found = ""
    for letter in stem:
        vowel = letter in "aeiou" or (letter == "y" and found[-1:] == "c")
        found += "v" if vowel else "c"
    return found


def m(stem):
    return len(re.findall("v+c+", shape(stem)))


def ends_cvc(stem):
    return shape(stem).endswith("cvc") and stem[-1] not in "wxy"


def longest(word, suffixes):
    return max((suffix for suffix in suffixes if word.endswith(suffix)), key=len, default=None)


def step_1a(word):
    for suffix, other in (("sses", "ss"), ("ies", "i"), ("ss", "ss"), ("s", "")):
        if word.endswith(suffix):
            return word[:len(word) - len(suffix)] + other
    return word


def step_1b(word):
    if word.endswith("eed"):
        return word[:-1] if m(word[:-3]) > 0 else word
    suffix = longest(word, ["ed", "ing"])
    if suffix is None or "v" not in shape(word[:-len(suffix)]):
        return word
    word = word[:-len(suffix)]
    if word.endswith(("at", "bl", "iz")):
        return word + "e"
    if word[-1:] == word[-2:-1] and shape(word).endswith("cc") and word[-1] not in "lsz":
        return word[:-1]
    return word + "e" if m(word) == 1 and ends_cvc(word) else word


def replace(word, rules):
    suffix = longest(word, rules)
    if suffix is None or m(word[:-len(suffix)]) == 0:
        return word
    return word[:-len(suffix)] + rules[suffix]


def step_4(word):
    suffix = longest(word, STEP_4)
    if suffix is None or m(word[:-len(suffix)]) <= 1:
        return word
    stem = word[:-len(suffix)]
    return word if suffix == "ion" and stem[-1] not in "st" else stem


def step_5(word):
    if word.endswith("e") and (m(word[:-1]) > 1 or (m(word[:-1]) == 1 and not ends_cvc(word[:-1]))):
        word = word[:-1]
    return word[:-1] if word.endswith("ll") and m(word) > 1 else word


def stem(word):
    word = step_1b(step_1a(word))
    if word.endswith("y") and "v" in shape(word[:-1]):
        word = word[:-1] + "i"
    return step_5(step_4(replace(replace(word, STEP_2), STEP_3)))
