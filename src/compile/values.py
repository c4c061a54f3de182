"""Values as the adapter's driver hands them over, from the text that the engine makes of them.

premerge sends texts and the types of their columns. What a macro does with a value depends on what it is in Python: a
date has a year, a list has a length, and dbt writes lists and structs into its tables as JSON.
"""

import datetime
import decimal
import json
import re
import struct
import uuid


class NotHandedOver(Exception):
    """The driver would make of a value what is not made here."""


def single(text):
    """A number of 32 bits, as wide as DuckDB's driver hands it over: 3.3 is 3.299999952316284."""
    return struct.unpack("f", struct.pack("f", float(text)))[0]


def zone(text, start):
    """The part of a text before its offset, and the offset: `+00`, `-03:30`. Before `start` no sign begins one."""
    sign = max(text.rfind("+"), text.rfind("-", start))
    if sign < start:
        return text, None
    hours, minutes = (text[sign + 1 :].split(":") + ["0"])[:2]
    offset = datetime.timedelta(hours=int(hours), minutes=int(minutes)) * (-1 if text[sign] == "-" else 1)
    return text[:sign], datetime.timezone(offset)


def with_fraction(text, read):
    """`fromisoformat` of old Pythons takes no fraction of any length."""
    whole, _, fraction = text.partition(".")
    found = read(whole)
    return found.replace(microsecond=int((fraction + "000000")[:6])) if fraction else found


def moment(text):
    text, offset = zone(text.strip(), 11)
    return with_fraction(text, datetime.datetime.fromisoformat).replace(tzinfo=offset)


def time_of_day(text):
    text, offset = zone(text.strip(), 1)
    return with_fraction(text, datetime.time.fromisoformat).replace(tzinfo=offset)


def interval(text, days_of_a_year):
    """Months and years have no length of their own: 30 days, and what the driver takes for a year."""
    days, rest = decimal.Decimal(0), text.strip()
    lengths = {"year": days_of_a_year, "mon": 30, "month": 30, "day": 1}
    for number, unit in re.findall(r"([+-]?\d+) (year|month|mon|day)s?", rest):
        days += int(number) * lengths[unit]
    rest = re.sub(r"[+-]?\d+ (year|month|mon|day)s?", "", rest).strip()
    found = datetime.timedelta(days=int(days))
    if not rest:
        return found
    parts = re.fullmatch(r"([+-]?)(\d+):(\d\d):(\d\d(?:\.\d+)?)", rest)
    if parts is None:
        raise ValueError(text)
    sign, hours, minutes, seconds = parts.groups()
    microseconds = int(decimal.Decimal(seconds) * 1000000)
    clock = datetime.timedelta(hours=int(hours), minutes=int(minutes), microseconds=microseconds)
    return found - clock if sign == "-" else found + clock


def blob(text):
    pieces = re.split(r"\\x([0-9A-Fa-f]{2})", text)
    return b"".join(bytes.fromhex(piece) if at % 2 else piece.encode("ascii") for at, piece in enumerate(pieces))


# By the names of DuckDB, of PostgreSQL, and of psycopg2 for its type codes.
READERS = {}
for names, function in (
    ("tinyint smallint integer bigint hugeint utinyint usmallint uinteger ubigint uhugeint longinteger oid", int),
    ("information_schema.cardinal_number", int),
    ("varchar text string name uuid enum unknown bit bignum varint", str),
    ("information_schema.sql_identifier information_schema.character_data information_schema.yes_or_no", str),
    ("decimal numeric", decimal.Decimal),
    ("double float real", float),
    ("boolean", lambda text: text in {"true", "t"}),
    ("date", datetime.date.fromisoformat),
    ("timestamp timestamp_s timestamp_ms timestamp_ns datetime datetimetz", moment),
    ("time", time_of_day),
):
    for name in names.split():
        READERS[name] = function
READERS["timestamp with time zone"] = READERS["timestamp without time zone"] = moment
READERS["time with time zone"] = READERS["time without time zone"] = time_of_day

# psycopg2 reads JSON and the text of a number of 32 bits; DuckDB's driver gives the text of JSON, and the bits.
READERS_OF = {
    "postgres": {
        "json": json.loads,
        "jsonb": json.loads,
        "interval": lambda text: interval(text, 365),
        "character varying": str,
        "double precision": float,
        **{name: str for name in "inet cidr macaddr macaddr8 xml money point regclass regtype tsvector".split()},
    },
    "duckdb": {
        "json": str,
        "float": single,
        "real": single,
        "interval": lambda text: interval(text, 360),
        "uuid": uuid.UUID,
        "blob": blob,
        # The type of what is null in every row.
        '"null"': str,
    },
}
# Arrays of other types are texts to psycopg2.
ARRAYS = (
    "smallint,integer,bigint,real,double precision,numeric,text,character varying,character,name,boolean,oid,json,jsonb,"
    "date,timestamp without time zone,timestamp with time zone,time without time zone,time with time zone,interval"
).split(",")


def reader(kind, adapter):
    """What the adapter's driver makes of a value of this type, as a function of its text; None where that is not known."""
    kind = kind.strip()
    if adapter == "postgres" and kind.endswith("[]"):
        base = plain_name(kind[:-2])
        one = str if base in ("character", "name") else reader(base, adapter)
        return (lambda text: array(text, one)) if base in ARRAYS and one is not None else None
    if adapter == "duckdb" and (kind.endswith("]") or re.match(r"(?i)(struct|map|tuple)\s*\(", kind)):
        try:
            nested = Nested.of(kind)
        except NotHandedOver:
            return None
        return nested.read
    base = "enum" if kind.lower().startswith("enum(") else plain_name(kind)
    return READERS_OF.get(adapter, {}).get(base) or READERS.get(base)


def plain_name(kind):
    """Without a length: `decimal(12,2)`, `timestamp(3) with time zone`."""
    return re.sub(r"\([^()]*\)", "", kind.lower()).strip()


def array(text, read):
    """PostgreSQL's text of an array: `{1,NULL,"a \\"b\\""}`, with its bounds before it where they are not the usual."""
    text = text[text.index("{") :]
    at = 0

    def value():
        nonlocal at
        if text[at] == "{":
            at += 1
            found = []
            while text[at] != "}":
                found.append(value())
                at += text[at] == ","
            at += 1
            return found
        if text[at] == '"':
            quoted = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL).match(text, at)
            at = quoted.end()
            return read(re.sub(r"(?s)\\(.)", r"\1", quoted.group(1)))
        end = re.compile(r"[,}]").search(text, at).start()
        plain, at = text[at:end], end
        return None if plain == "NULL" else read(plain)

    return value()


class Nested:
    """DuckDB's lists, structs and maps. Their text has quotes around what could be taken for something else."""

    def __init__(self, shape, parts=(), names=()):
        self.shape, self.parts, self.names = shape, parts, names

    @classmethod
    def of(cls, kind):
        kind = kind.strip()
        if kind.endswith("]"):
            element, _, size = kind[:-1].rpartition("[")
            return cls("array" if size else "list", [cls.of(element)])
        shape, bracket, inner = kind.partition("(")
        shape = shape.strip().lower()
        if bracket and shape in ("struct", "map", "tuple"):
            entries = split(inner[: inner.rindex(")")])
            if shape != "struct":
                return cls(shape, [cls.of(entry) for entry in entries])
            fields = [re.fullmatch(r'(?s)\s*("(?:[^"]|"")*"|\S+)\s+(.*)', entry) for entry in entries]
            if None in fields:
                raise NotHandedOver(kind)
            return cls(shape, [cls.of(field.group(2)) for field in fields], [field.group(1) for field in fields])
        read = reader(kind, "duckdb")
        if read is None:
            raise NotHandedOver(kind)
        return cls("plain", [read])

    def read(self, text):
        found, end = self.value(text, 0)
        if text[end:].strip():
            raise ValueError(text)
        return found

    def value(self, text, at):
        """The value that begins there, and where it ends."""
        if text.startswith("NULL", at) and text[at + 4 : at + 5] in ("", ",", "]", "}", ")", "="):
            return None, at + 4
        if self.shape == "plain":
            plain, at = word(text, at)
            return self.parts[0](plain), at
        close = {"list": "]", "array": "]", "tuple": ")"}.get(self.shape, "}")
        at, found, keys = at + 1, [], []
        while text[at] != close:
            part = self.parts[0]
            if self.shape == "struct":
                name, at = word(text, at)
                keys.append(name)
                at = past(text, at, ":")
                part = self.parts[len(found)]
            elif self.shape == "tuple":
                part = self.parts[len(found)]
            elif self.shape == "map":
                key, at = part.value(text, at)
                keys.append(key)
                at = past(text, at, "=")
                part = self.parts[1]
            one, at = part.value(text, at)
            found.append(one)
            if text[at] != close:
                at = past(text, at, ",")
        return self.made(keys, found), at + 1

    def made(self, keys, found):
        if self.shape == "list":
            return found
        if self.shape in ("array", "tuple"):
            return tuple(found)
        # What cannot be a key in Python stands beside its value.
        if any(isinstance(key, (list, dict)) for key in keys):
            return {"key": keys, "value": found}
        return dict(zip(keys, found))


def word(text, at):
    """A text within a nested value."""
    if text[at] != "'":
        end = re.compile(r"[,\])}=:]").search(text, at).start()
        return text[at:end], end
    quoted = re.compile(r"'((?:[^'\\]|\\.)*)'", re.DOTALL).match(text, at)
    if quoted is None:
        raise ValueError(text)
    return re.sub(r"(?s)\\(.)", r"\1", quoted.group(1)), quoted.end()


def past(text, at, sign):
    if text[at] != sign:
        raise ValueError(text)
    at += 1
    return at + 1 if text[at] == " " and sign != "=" else at


def split(text):
    """At the commas that no bracket or quote holds."""
    parts, depth, start = [], 0, 0
    for sign in re.finditer(r'"(?:[^"]|"")*"|\'(?:[^\']|\'\')*\'|[(),]', text):
        depth += {"(": 1, ")": -1}.get(sign.group(), 0)
        if sign.group() == "," and depth == 0:
            parts.append(text[start : sign.start()])
            start = sign.end()
    return [*parts, text[start:]] if text.strip() else []
