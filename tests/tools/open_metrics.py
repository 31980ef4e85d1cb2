"""A strict parser of the OpenMetrics text format 1.0, and of Prometheus's text format 0.0.4, as far as exporters without histograms
need them. Raises Malformed."""
import re

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"')
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?([eE][+-]?\d+)?|Inf|NaN)")
SUFFIX = {"counter": "_total", "gauge": "", "info": "_info"}


class Malformed(Exception):
    pass


def need(condition, line, what):
    if not condition:
        raise Malformed(f"{what}: {line!r}")


def parse_labels(text, line):
    labels, at = {}, 0
    while at < len(text):
        found = LABEL.match(text, at)
        need(found, line, "no label")
        need(found.group(1) not in labels, line, "a label twice")
        labels[found.group(1)] = re.sub(r"\\(.)", lambda m: "\n" if m.group(1) == "n" else m.group(1), found.group(2))
        at = found.end()
        if at < len(text):
            need(text[at] == "," and at + 1 < len(text), line, "no comma")
            at += 1
    return labels


class Page:
    """types: {family: type}; samples: {(name, frozenset of labels): value}."""

    def __init__(self, text, open_metrics=True):
        self.types, self.helps, self.samples = {}, {}, {}
        self.open_metrics = open_metrics
        need(text.endswith("\n") and "\r" not in text, text[-20:], "no newline at the end")
        lines = text[:-1].split("\n")
        if open_metrics:
            need(lines[-1] == "# EOF", lines[-1], "no EOF")
            lines.pop()
        self.family, self.ended = None, set()
        for line in lines:
            self.comment(line) if line.startswith("#") else self.sample(line)

    def begin(self, family, line):
        if family == self.family:
            return
        need(family not in self.ended, line, "a family in two places")
        if self.family:
            self.ended.add(self.family)
        self.family = family

    def comment(self, line):
        found = re.fullmatch(r"# (TYPE|HELP|UNIT) (\S+) (.+)", line)
        need(found, line, "an unknown comment")
        kind, family, rest = found.groups()
        need(NAME.fullmatch(family), line, "no name")
        self.begin(family, line)
        if kind == "TYPE":
            need(family not in self.types, line, "a type twice")
            need(rest in ("counter", "gauge", "info") and (self.open_metrics or rest != "info"), line, "no type")
            need(not self.open_metrics or not family.endswith("_total"), line, "a counter's family is named without _total")
            self.types[family] = rest
        elif kind == "UNIT":
            need(self.open_metrics and family.endswith("_" + rest), line, "the name does not end with the unit")
        else:
            need(family not in self.helps, line, "a help twice")
            self.helps[family] = rest

    def sample(self, line):
        found = re.fullmatch(r"([^{ ]+)(?:\{(.*)\})? (\S+)", line)
        need(found, line, "no sample")
        name, labels, value = found.groups()
        need(NAME.fullmatch(name), line, "no name")
        need(self.family in self.types, line, "a sample without a type")
        suffix = SUFFIX[self.types[self.family]] if self.open_metrics else ""
        need(name == self.family + suffix, line, "not the family's name")
        need(NUMBER.fullmatch(value), line, "no number")
        key = (name, frozenset(parse_labels(labels or "", line).items()))
        need(key not in self.samples, line, "a sample twice")
        number = float(value)
        if self.types[self.family] == "counter":
            need(number >= 0, line, "a counter below zero")
        self.samples[key] = number

    def get(self, name, **labels):
        """The value of the only sample that has these labels."""
        found = [value for (other, pairs), value in self.samples.items()
                 if other == name and set(labels.items()) <= pairs]
        if len(found) != 1:
            raise KeyError(f"{len(found)} samples {name} {labels}")
        return found[0]

    def all(self, name):
        return {pairs: value for (other, pairs), value in self.samples.items() if other == name}
