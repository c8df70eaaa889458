"""Files that `alerter import` does not read, known by what they look like, each with the line that converts it.

Nothing is decided here for the user: where a value may mean two things, each meaning has its own line. A line reads the
file and writes another one; a shell variable in it that must be set stops it until it is.
"""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

#: What is read, as an error says it.
EXPECTED = "expected what `alerter export` writes, or CSV with the columns time, tenant, reason and count"

_PYTHON = "python3 -c '{code}' {file} > {out}"
_OPEN = 'open(sys.argv[1],encoding="utf-8-sig",newline="")'
_WRITER = "w=csv.writer(sys.stdout);"


@dataclass(frozen=True, slots=True)
class Foreign:
    """What a file is, or a value in it.

    Attributes:
        name: In a few words.
        lines: Shell commands with `{file}` and `{out}` that convert it, by what they take for granted; one that takes
            nothing for granted has no name.
    """

    name: str
    lines: Mapping[str, str]

    def advice(self, path: str) -> str:
        """Return how to convert a file, to append to an error; nothing where nobody knows."""
        names = {"file": _quoted(path), "out": _quoted(_free_name(path))}
        made = {
            given: re.sub(r"\{(file|out)\}", lambda name: names[name[1]], line) for given, line in self.lines.items()
        }
        return "".join(
            f"; {f'if {given}, ' if given else ''}this line converts it: {line}" for given, line in made.items()
        )


def foreign_bytes(head: bytes) -> Foreign | None:
    """Return what a file is that is no UTF-8 text, by its first bytes; None where they look like text."""
    for mark, name, line in _MARKS:
        if head.startswith(mark):
            return Foreign(name, {"": line} if line else {})
    even, odd = head[:2_000:2].count(0), head[1:2_000:2].count(0)
    if max(even, odd) * 4 > len(head[:2_000]) > min(even, odd) * 8:
        codec = "UTF-16LE" if odd > even else "UTF-16BE"
        return Foreign("UTF-16 text without a mark", {"": f"iconv -f {codec} -t UTF-8 {{file}} > {{out}}"})
    return Foreign("no text", {}) if head.count(0) * 20 > len(head) else None


def foreign_text(head: str) -> Foreign | None:
    """Return what a text is that has no rows, by its beginning; None where it may have some."""
    return next((Foreign(name, {}) for form, name in _TEXTS if form.match(head)), None)


_TEXTS = (
    (re.compile(r"\s*<(?:!doctype\s+html|html|head|body|table)\b", re.IGNORECASE), "a page of HTML: save it as CSV"),
    (re.compile(r"\s*<(?:[?!]|[A-Za-z_][\w:.-]*[\s/>])"), "XML: save it as CSV"),
    (
        re.compile(
            r"\s*(?:From \S+ |(?:return-path|received|delivered-to|mime-version|message-id|dkim-signature|date|from|to|"
            r"subject|content-type|x-[a-z-]+):\s)",
            re.IGNORECASE,
        ),
        "a mail: save what is attached to it, or what it says, as CSV",
    ),
)


def foreign_encoding() -> Foreign:
    """Return what text is that is not UTF-8, about which no more is known."""
    western = "iconv -f WINDOWS-1252 -t UTF-8 {file} > {out}"
    return Foreign("text in another encoding than UTF-8", {"it is from Windows in Western Europe or America": western})


def foreign_json(head: str) -> Foreign:
    """Return what a JSON file is that holds neither records nor counts of alerter's own."""
    first = _first_object(head)
    if '"resultType"' in head:
        return Foreign("an answer of Prometheus's query API", {"": _prometheus(head)})
    if first is not None and {"itemid", "clock", "value"} <= first.keys():
        return Foreign("a history from Zabbix's API, which has no names of hold reasons", {"": _zabbix(first)})
    answer = next((key for key, value in (first or {}).items() if isinstance(value, dict) and "data" in value), None)
    time = next((key for key, value in (first or {}).items() if isinstance(value, str)), None)
    if answer is not None and time is not None and '"policyInfo"' in head:
        is_plain = re.fullmatch(r"[\w .@-]+", time + answer) is not None  # what may stand in a line to be pasted
        return Foreign("answers of Mimecast as they came", {"": _mimecast(time, answer)} if is_plain else {})
    if first is not None and first and not any(isinstance(value, dict | list) for value in first.values()):
        is_list = head.lstrip()[:1] == "["
        name = "one JSON list of all rows" if is_list else "JSON Lines of another tool"
        rows = f"json.load({_OPEN})" if is_list else f"[json.loads(l) for l in {_OPEN} if l.strip()]"
        return Foreign(
            name,
            {
                "": _python(
                    "csv,json,sys", f"r={rows}; w=csv.DictWriter(sys.stdout,r[0]); w.writeheader(); w.writerows(r)"
                )
            },
        )
    return Foreign("JSON of another tool", {})


def foreign_line(line: str) -> Foreign | None:
    """Return what a table is by its first line; None where it may be CSV with commas."""
    if re.match(r"#(?:group|datatype|default)\b", line):
        rows = 'awk "/^#/||/^[[:space:]]*\\$/{next} /^,result,/{if(h++)next} {print}" {file} > {out}'
        return Foreign("InfluxDB's annotated CSV", {"": rows})
    if line.lower().startswith("sep="):
        return Foreign("CSV for Excel, with a first line that names its separator", {"": "tail -n +2 {file} > {out}"})
    sign = next((sign for sign in ";\t|" if "," not in line and sign in line), None)
    if sign is None:
        return None
    shown = "\\t" if sign == "\t" else sign
    code = f'csv.writer(sys.stdout).writerows(csv.reader({_OPEN},delimiter="{shown}"))'
    return Foreign(f"a table with {_SIGNS[sign]} between its columns", {"": _python("csv,sys", code)})


_SIGNS = {";": "semicolons", "\t": "tabs", "|": "bars"}


def foreign_table(names: Sequence[str], row: Sequence[str]) -> Foreign | None:
    """Return what a CSV file is whose columns are not all known; None where only their names are missing.

    Args:
        names: The cells of its first line.
        row: Those of its second one.
    """
    if "Date Time(RAW)" in names:
        return Foreign("a table from PRTG: one column for each channel", {"": _PRTG})
    if names and names[0].startswith("@timestamp per ") and len(names) == 3:  # noqa: PLR2004 - time, reason, count
        return Foreign("a table from Kibana", {"": _KIBANA})
    if any("{" in name and '="' in name for name in names[1:]):
        return Foreign("a wide table from Grafana: one column for each hold reason", {"": _labelled(names)})
    if any(_is_number(cell) or _resembles_time(cell) for cell in names):
        return _headless(names)
    if _is_wide(names, row):
        tool = " from Grafana" if names[0] == "Time" else ""
        return Foreign(f"a wide table{tool}: one column for each hold reason", {"": _WIDE})
    habits = (foreign_time(cell, index) for index, cell in enumerate(row) if _resembles_time(cell))
    return next((habit for habit in habits if habit is not None), None)


def foreign_time(text: str, column: int) -> Foreign | None:
    """Return how a time is written that is not ISO 8601; None where nobody knows.

    Args:
        text: What stands in the cell.
        column: The index of its column.
    """
    text = text.strip()
    if re.fullmatch(r"\d{5}\.\d+", text, re.ASCII):
        begins = {"it is from Excel": "1899,12,30", "it is from Excel of an old Mac": "1904,1,1"}
        seconds = f"datetime.timedelta(seconds=round(float(x[{column}])*86400))"
        lines = {
            given: _cell(column, "datetime", f"(datetime.datetime({begin})+{seconds}).isoformat()")
            for given, begin in begins.items()
        }
        return Foreign("the number of a day, as spreadsheets keep dates", lines)
    if number := re.fullmatch(r"(\d{9,19})(?:\.\d{1,9})?", text, re.ASCII):
        unit = 10 ** max(0, (len(number[1]) - 9) // 3 * 3)
        code = f"datetime.datetime.fromtimestamp(float(x[{column}])/{unit},datetime.timezone.utc).isoformat()"
        return Foreign("a number since 1970", {"": _cell(column, "datetime", code)})
    for what in (_ordered_date, _named_zone, _other_date):
        if (found := what(text, column)) is not None:
            return found
    return None


def foreign_count(text: str, column: int) -> Foreign | None:
    """Return how a count is written that is no whole number; None where nobody knows."""
    if re.fullmatch(r"\d{1,3}(?:[.,'\u2019\u00a0\u202f ]\d{3})+", text.strip()):
        digits = _cell(column, "re", f're.sub("[^0-9]","",x[{column}])')
        return Foreign("a count with signs in it", {f"{text.strip()} is {re.sub('[^0-9]', '', text)} messages": digits})
    if re.fullmatch(r"\d+[.,]\d+", text.strip(), re.ASCII):
        return Foreign("a fraction, such as an average, which no poll has counted", {})
    return None


def _headless(row: Sequence[str]) -> Foreign:
    """Return what a file is whose first line is a row already."""
    names = ["time" if _resembles_time(cell) else "count" if _is_number(cell) else "reason" for cell in row]
    is_clear = sorted(names) == ["count", "reason", "time"]
    lines = {"": f"(echo {','.join(names)}; cat {{file}}) > {{out}}"} if is_clear else {}
    return Foreign("a table without the names of its columns", lines)


def _is_wide(names: Sequence[str], row: Sequence[str]) -> bool:
    """Say whether all but one cell of a row are counts, in columns that are called as reasons are."""
    if len(names) != len(row) or len(row) < 2 or not _resembles_time(row[0]):  # noqa: PLR2004 - a time and a count
        return False
    if not all(_is_number(cell) or not cell.strip() for cell in row[1:]):
        return False
    return len(row) > 2 or names[1].strip().casefold() not in _COUNT_WORDS  # noqa: PLR2004 - several counts


_COUNT_WORDS = {"count", "held", "value", "messages", "items", "number", "total", "numberofitems"}


# ISO 8601, a number since 1970, the number of a day, 20.11.2026, Fri Nov 20, Nov 20, 2026.
_TIME = re.compile(
    r"\s*(?:\d{4}-\d\d-\d\d|\d{9,19}(?:\.\d+)?\s*$|\d{5}\.\d+\s*$|\d{1,2}[./-]\d{1,2}[./-]\d{4}|"
    r"(?:[A-Z][a-z]{2} )?[A-Z][a-z]{2} {1,2}\d{1,2}[, ])",
    re.ASCII,
)


def _resembles_time(cell: str) -> bool:
    return _TIME.match(cell) is not None


def _is_number(cell: str) -> bool:
    return re.fullmatch(r"\d[\d.,' ]*", cell.strip()) is not None and not _resembles_time(cell)


def _ordered_date(text: str, column: int) -> Foreign | None:
    parts = re.fullmatch(r"(\d{1,2})([./-])(\d{1,2})\2\d{4}(,?) (\d{1,2}:\d\d)(:\d\d)?( [AaPp][Mm])?", text, re.ASCII)
    if parts is None:
        return None
    clock = ("%I:%M" if parts[7] else "%H:%M") + (":%S" if parts[6] else "") + (" %p" if parts[7] else "")
    orders = {"the month comes first": "%m{0}%d{0}%Y", "the day comes first": "%d{0}%m{0}%Y"}
    possible = {
        given: _strptime(column, f"{order.format(parts[2])}{parts[4]} {clock}")
        for given, order in orders.items()
        if int(parts[1] if given == "the month comes first" else parts[3]) <= 12  # noqa: PLR2004 - months
    }
    return Foreign("a date whose month may be its first or its second number", possible)


def _named_zone(text: str, column: int) -> Foreign | None:
    iso = re.fullmatch(r"\d{4}-\d\d-\d\d[T ][\d:.]+ ?([A-Z]{3,5})", text, re.ASCII)
    if iso is not None:
        code = f'x[{column}].replace("{iso[1]}","").strip()+"{_offset(iso[1])}"'
        return Foreign(f"a time with the name {iso[1]!r} in place of an offset", {"": _cell(column, "", code)})
    printed = re.fullmatch(r"[A-Z][a-z]{2} [A-Z][a-z]{2} {1,2}\d{1,2} [\d:]{8} ([A-Z]{3,5}) \d{4}", text, re.ASCII)
    if printed is None:
        return None
    code = (
        f'datetime.datetime.strptime(x[{column}].replace("{printed[1]} ",""),"%a %b %d %H:%M:%S %Y").isoformat()'
        f'+"{_offset(printed[1])}"'
    )
    return Foreign("a time as the command `date` prints it", {"": _cell(column, "datetime", code)})


def _offset(zone: str) -> str:
    """Return the offset of a time zone's short name: many of them mean several."""
    ask = f"set OFFSET to the offset of {zone}, such as OFFSET=-05:00"
    return "+00:00" if zone in {"UTC", "GMT"} else f"'\"${{OFFSET:?{ask}}}\"'"


def _other_date(text: str, column: int) -> Foreign | None:
    if re.fullmatch(r"[A-Z][a-z]{2} \d{1,2}, \d{4} @ \d\d:\d\d:\d\d\.\d{3}", text, re.ASCII):
        return Foreign("a time as Kibana writes it", {"": _strptime(column, "%b %d, %Y @ %H:%M:%S.%f")})
    if re.search(r"\d", text) is None or re.match(r"\d{4}-\d\d-\d\d", text):
        return None
    ask = 'set FORMAT to the form of the times as strptime has it, such as FORMAT="%d %b %Y %H:%M"'
    return Foreign("a time in a form of its own", {"": _strptime(column, f"'\"${{FORMAT:?{ask}}}\"'")})


def _strptime(column: int, form: str) -> str:
    return _cell(column, "datetime", f'datetime.datetime.strptime(x[{column}].strip(),"{form}").isoformat()')


def _cell(column: int, modules: str, code: str) -> str:
    """Return the line that puts something else into each cell of a column."""
    rows = f'r=csv.reader(itertools.dropwhile(lambda l:l[0]=="#",{_OPEN})); {_WRITER} w.writerow(next(r));'
    names = ",".join(("csv", "itertools", "sys", *filter(None, [modules])))
    return _python(names, f"{rows} w.writerows([*x[:{column}],{code},*x[{column + 1}:]] for x in r if x)")


def _python(modules: str, code: str) -> str:
    return _PYTHON.replace("{code}", f"import {modules}; {code}")


def _prometheus(head: str) -> str:
    tenant = next((name for name in ("tenant", "account", "customer") if f'"{name}"' in head), None)
    reason = next((name for name in ("reason", "policyInfo", "policy", "hold_reason") if f'"{name}"' in head), "reason")
    names, cells = ["time", "reason", "count"], ["t", f'm["metric"]["{reason}"]', "n"]
    if tenant is not None:
        names.insert(1, "tenant")
        cells.insert(1, f'm["metric"]["{tenant}"]')
    cells[0] = "datetime.datetime.fromtimestamp(float(t),datetime.timezone.utc).isoformat()"
    code = (
        f"{_WRITER} w.writerow({json.dumps(names)}); w.writerows([{','.join(cells)}] for m in "
        f'json.load({_OPEN})["data"]["result"] for t,n in m["values"])'
    )
    return _python("csv,datetime,json,sys", code)


def _zabbix(first: Mapping[str, object]) -> str:
    item = re.sub(r"[^0-9]", "", str(first["itemid"]))
    code = (
        f'{_WRITER} w.writerow(["time","reason","count"]); w.writerows([datetime.datetime.fromtimestamp('
        'int(o["clock"]),datetime.timezone.utc).isoformat(),sys.argv[2],o["value"]] '
        f'for o in json.load({_OPEN}) if o["itemid"]=="{item}")'
    )
    ask = f'"${{REASON:?set REASON to the hold reason of item {item}}}"'
    return _python("csv,datetime,json,sys", code).replace("{file} ", f"{{file}} {ask} ")


def _mimecast(time: str, answer: str) -> str:
    key, rows = json.dumps(time), f'o[{json.dumps(answer)}]["data"]'
    code = (
        f'{_WRITER} w.writerow(["time","reason","count"]); w.writerows([o[{key}],n,sum(int(d["numberOfItems"]) '
        f'for d in {rows} if d["policyInfo"]==n)] for l in {_OPEN} if l.strip() for o in [json.loads(l)] '
        f'for n in {{d["policyInfo"] for d in {rows}}}|({{""}} if {rows}==[] else set()))'
    )
    return _python("csv,json,sys", code)


def _labelled(names: Sequence[str]) -> str:
    """Return the line for columns that are called as Prometheus calls its series."""
    has_tenant = any('tenant="' in name for name in names)
    label = next(
        (label for label in ("reason", "policyInfo", "policy") if any(f'{label}="' in name for name in names)), "reason"
    )
    head = '["time","tenant","reason","count"]' if has_tenant else '["time","reason","count"]'
    cell = 're.search("[{,]%s=\\"([^\\"]*)\\"",n)[1]'
    cells = f"{cell % 'tenant'},{cell % label}" if has_tenant else cell % label
    return _python(
        "csv,re,sys",
        f"r=csv.reader({_OPEN}); h=next(r); {_WRITER} w.writerow({head}); "
        f"w.writerows([x[0],{cells},c] for x in r if all(x) for n,c in zip(h[1:],x[1:]))",
    )


def _first_object(head: str) -> dict[str, object] | None:
    begin = head.find("{")
    try:
        value = json.JSONDecoder().raw_decode(head[begin:])[0] if begin >= 0 else None
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _quoted(path: str) -> str:
    if not path.isprintable() or path == "-":
        return "FILE"
    return shlex.quote(f"./{path}" if path.startswith("-") else path)


def _free_name(path: str) -> str:
    """Return a name that is not taken in the current folder, nor beside the file: `counts-2.csv` for `counts.csv`."""
    stem = re.sub(r"-\d+$", "", Path(path).stem[:100]) if path != "-" and path.isprintable() else "counts"
    names = (f"{stem}-{number}.csv" for number in count(2))
    return next(name for name in names if not Path(name).exists() and not Path(path).with_name(name).exists())


# A time at which a cell is empty is left out as a whole: nothing is known of that reason, and it is no 0.
_WIDE = _python(
    "csv,itertools,sys",
    f'r=csv.reader(itertools.dropwhile(lambda l:l[0]=="#",{_OPEN})); h=next(r); {_WRITER} '
    'w.writerow(["time","reason","count"]); '
    "w.writerows([x[0],n,c] for x in r if all(x) for n,c in zip(h[1:],x[1:]))",
)
_PRTG = _python(
    "csv,datetime,sys",
    f'r=csv.DictReader({_OPEN}); {_WRITER} w.writerow(["time","reason","count"]); '
    "w.writerows([(datetime.datetime(1899,12,30)+datetime.timedelta(seconds=round(float("
    'x["Date Time(RAW)"])*86400))).isoformat(),n[:-5],int(float(x[n]))] for x in r '
    'if x["Date Time(RAW)"] and x["Coverage"]=="100 %" for n in x if n.endswith("(RAW)") '
    'and n[:-5] not in ("Date Time","Coverage","Downtime"))',
)
_KIBANA = _python(
    "csv,datetime,sys",
    f'r=csv.reader({_OPEN}); next(r); {_WRITER} w.writerow(["time","reason","count"]); '
    'w.writerows([datetime.datetime.strptime(x[0],"%b %d, %Y @ %H:%M:%S.%f").isoformat(),x[1],x[2].replace(",","")] '
    "for x in r if x)",
)

_GUNZIP = "{tool} -dc {{file}} > {{out}}"
_MARKS: tuple[tuple[bytes, str, str], ...] = (
    (b"\xff\xfe\x00\x00", "UTF-32 text", "iconv -f UTF-32 -t UTF-8 {file} > {out}"),
    (b"\x00\x00\xfe\xff", "UTF-32 text", "iconv -f UTF-32 -t UTF-8 {file} > {out}"),
    (b"\xff\xfe", "UTF-16 text, as PowerShell and Excel write it", "iconv -f UTF-16 -t UTF-8 {file} > {out}"),
    (b"\xfe\xff", "UTF-16 text", "iconv -f UTF-16 -t UTF-8 {file} > {out}"),
    (b"\x1f\x8b", "a file that gzip compressed", _GUNZIP.format(tool="gzip")),
    (b"BZh", "a file that bzip2 compressed", _GUNZIP.format(tool="bzip2")),
    (b"\xfd7zXZ\x00", "a file that xz compressed", _GUNZIP.format(tool="xz")),
    (b"\x28\xb5\x2f\xfd", "a file that zstd compressed", _GUNZIP.format(tool="zstd")),
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook: save the sheet as CSV UTF-8", ""),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook: save the sheet as CSV UTF-8", ""),
    (b"SQLite format 3\x00", "an SQLite database; alerter's own is copied by `alerter db copy`", ""),
    (b"PAR1", "a Parquet file: save it as CSV", ""),
    (b"%PDF", "a PDF", ""),
)  # fmt: skip
