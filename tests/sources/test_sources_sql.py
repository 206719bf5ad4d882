"""Databases without a server: addresses and their secrets, SQLite, what is kept and swept."""

from __future__ import annotations

import json
import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from databases import contents, document, failures, items, scanned, version

from loresmith import addresses, cli, mirrors
from loresmith import config as configuration
from loresmith import workspace as folders
from loresmith.config import ParsingSection, SourceEntry, WebSection
from loresmith.errors import ConfigError, SourceError, UsageError
from loresmith.parsing.read import read
from loresmith.sources import connecting, prefixes, scan, sql, sweep
from loresmith.types import SourceItem, SourceSpec

SECRET = "s3same"

PLAIN = [
    f"postgresql://reader:{SECRET}@db/stock",
    f"postgres://reader:{SECRET}@db:5432/stock?sslmode=require",
    f"mysql://reader:{SECRET}/x@y@db/stock",
    f"mariadb://reader:a?{SECRET}#@db/stock",
    f"postgresql://:{SECRET}@db/stock",
    f"postgresql://reader@db/stock?password={SECRET}",
    f"postgresql://reader@db/stock?sslmode=require&sslpassword={SECRET}",
    f"postgresql://reader:${{NAME}}{SECRET}@db/stock",
]


# --- addresses ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("uri", PLAIN)
def test_a_password_in_plain_is_refused_and_nowhere_repeated(
    uri: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match=r"\$\{STOCK_PASSWORD\}") as caught:
        addresses.check(uri)
    assert SECRET not in str(caught.value)
    assert cli.run(["init", str(tmp_path / "plant")]) == 0
    for arguments in (
        ["add", uri, "-w", str(tmp_path / "plant")],
        ["remove", uri, "-w", str(tmp_path / "plant")],
        ["init", str(tmp_path / "new"), "--from", uri],
    ):
        assert cli.run(arguments) == 2
        said = "".join(capfd.readouterr())
        assert "reader" in said or "://" in said
        assert SECRET not in said
    assert SECRET not in (tmp_path / "plant/loresmith.toml").read_text()
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("uri", PLAIN)
def test_a_password_in_the_file_is_refused_when_it_is_read(uri: str, tmp_path: Path) -> None:
    path = tmp_path / "loresmith.toml"
    for text in (f"[[sources]]\nuri = '{uri}'\n", f"[[sources]]\nurl = '{uri}'\n", f"sources = '{uri}'\n"):
        path.write_text(text)
        with pytest.raises(ConfigError) as caught:
            configuration.load(path)
        assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql://reader:${STOCK_PASSWORD}@db/stock",
        "postgresql://reader@db:5432/stock",
        "postgresql://db/stock?sslmode=require&options=a@b",
        "postgresql:///stock?host=/var/run/postgresql",
        "mysql://${DB_USER}:${DB_PASSWORD}@${DB_HOST}/stock?ssl_ca=/etc/ca.pem",
        "postgresql://reader@db/stock?password=${STOCK_PASSWORD}",
        "sqlite:///data/a:b@c.db",
        "https://example.org/a:b@c",
    ],
)
def test_addresses_without_secrets_pass_and_are_shown_as_they_are(uri: str) -> None:
    addresses.check(uri)
    assert addresses.masked(uri) == uri


def test_what_documents_show_of_an_address() -> None:
    assert addresses.public("postgresql://reader:${P}@db:5432/stock?x=1") == "postgresql://db:5432/stock"
    assert addresses.name_of("postgresql://reader:${P}@db:5432/stock?x=1") == "stock"
    assert addresses.name_of("postgresql://db") == "db"
    assert addresses.name_of("sqlite:////data/plant.db") == "plant"
    assert addresses.sqlite_path("sqlite:////data/a%20b.db") == "/data/a b.db"
    assert addresses.sqlite_path(addresses.sqlite_uri("/data/100%25.db")) == "/data/100%25.db"
    assert addresses.kind_of("oracle://x") is addresses.kind_of("plain/path") is None


def test_add_writes_tables_and_since_and_keeps_the_name_of_the_variable(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "plant"
    plant = folders.create(root)
    uri = "postgresql://reader:${STOCK_PASSWORD}@db/stock"
    more = ["--table", "parts", "--table", "log", "--since", "log=changed", "--label", "store", "--json"]
    assert cli.run(["add", uri, *more, "-w", str(root)]) == 0
    shown = {"source": uri, "labels": ["store"], "tables": ["parts", "log"], "since": {"log": "changed"}}
    assert json.loads(capfd.readouterr().out) == {"sources": [shown]}
    plant = folders.open_dir(root)
    assert plant.config.sources == [
        SourceEntry(uri=uri, labels=["store"], tables=["parts", "log"], since={"log": "changed"})
    ]
    assert plant.source_specs() == [SourceSpec(uri, ("store",), ("parts", "log"), (("log", "changed"),))]
    folders.add_sources(plant, [uri], tables=["parts"])
    assert folders.open_dir(root).config.sources[0].tables == ["parts"]
    assert cli.run(["add", str(tmp_path), "--table", "x", "-w", str(root)]) == 2
    assert cli.run(["add", uri, "--since", "log", "-w", str(root)]) == 2
    capfd.readouterr()
    assert cli.run(["config", "-w", str(root)]) == 0
    assert "${STOCK_PASSWORD}" in capfd.readouterr().out
    assert folders.remove_source(folders.open_dir(root), uri).config.sources == []


def test_the_path_of_an_sqlite_source_is_relative_to_where_it_was_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant = folders.create(tmp_path / "plant")
    (tmp_path / "stock.db").touch()
    monkeypatch.chdir(tmp_path)
    plant = folders.add_sources(plant, ["sqlite:///stock.db"])
    assert plant.config.sources[0].uri == "sqlite:///../stock.db"
    assert plant.source_specs()[0].uri == f"sqlite:///{tmp_path}/stock.db"
    with pytest.raises(UsageError, match="no such file"):
        folders.add_sources(plant, ["sqlite:///nowhere.db"])
    folders.remove_source(plant, "sqlite:///stock.db")


def test_only_databases_have_tables(tmp_path: Path) -> None:
    path = tmp_path / "loresmith.toml"
    path.write_text("[[sources]]\nuri = 'docs'\ntables = ['x']\n")
    with pytest.raises(ConfigError, match="docs is no database"):
        configuration.load(path)


def test_two_databases_of_one_name_do_not_mix() -> None:
    specs = [SourceSpec(f"postgresql://{host}/stock") for host in ("one", "two")]
    assert list(prefixes(specs).values()) == ["", "two/"]


# --- SQLite -------------------------------------------------------------------------------------------


@pytest.fixture
def stock(tmp_path: Path) -> tuple[Path, SourceSpec]:
    path = tmp_path / "stock 100%.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript("""
            CREATE TABLE pumps (id TEXT PRIMARY KEY, name TEXT, flow REAL, bought DATE, on_ BOOLEAN);
            CREATE TABLE log (id INTEGER PRIMARY KEY, pump TEXT REFERENCES pumps(id), hours, at TEXT, x BLOB);
            INSERT INTO pumps VALUES ('P-1', 'Feed pump', 3.5, '2020-01-02', 1), ('P-2', 'Drain', 4, NULL, 0);
            INSERT INTO log VALUES (1, 'P-1', 2.5, '2024-01-01 10:00:00', x'00'),
                                   (2, 'P-2', 'two', '2024-02-01T10:00', x'00');
            CREATE TABLE "nothing" (a INTEGER, b TEXT);
            CREATE VIEW v AS SELECT * FROM pumps;""")
    return path, SourceSpec(addresses.sqlite_uri(str(path)))


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as db:
        for statement in statements:
            db.execute(statement)
        db.commit()


def test_the_values_of_sqlite_say_what_its_columns_are(
    stock: tuple[Path, SourceSpec], tmp_path: Path
) -> None:
    found = scanned(stock[1], tmp_path)
    assert failures(found) == {}
    assert list(items(found)) == ["stock 100%/log", "stock 100%/nothing", "stock 100%/pumps"]
    pumps, rows = contents(items(found)["stock 100%/pumps"])
    assert [c.type for c in pumps.columns] == ["text", "text", "real", "date", "boolean"]
    assert rows == [
        ("P-1", ["P-1", "Feed pump", 3.5, "2020-01-02", True]),
        ("P-2", ["P-2", "Drain", 4.0, None, False]),
    ]
    log, rows = contents(items(found)["stock 100%/log"])
    assert [(c.name, c.type) for c in log.columns] == [
        ("id", "integer"),
        ("pump", "text"),
        ("hours", None),
        ("at", "datetime"),
    ]
    assert log.foreign == (("pump", "pumps", "id"),)
    assert [row[1][2] for row in rows] == [2.5, "two"]
    nothing, rows = contents(items(found)["stock 100%/nothing"])
    assert (len(nothing.columns), rows) == (2, [])
    assert document(items(found)["stock 100%/nothing"]).warnings == ("the table is empty",)


def test_what_came_by_a_column_equals_what_is_read_whole(
    stock: tuple[Path, SourceSpec], tmp_path: Path
) -> None:
    path, spec = stock
    by = SourceSpec(spec.uri, tables=("log",), since=(("log", "id"),))
    scanned(by, tmp_path)
    change(path, "INSERT INTO log VALUES (5, 'P-1', 1, '2024-05-05', NULL)", "DELETE FROM log WHERE id = 1")
    item = items(scanned(by, tmp_path))["stock 100%/log"]
    fresh = items(scanned(by, tmp_path / "fresh"))["stock 100%/log"]
    assert Path(item.path).read_bytes() == Path(fresh.path).read_bytes()
    assert contents(item)[1] == contents(fresh)[1]
    # A column that turns out to be of another type is read as a whole.
    change(path, "INSERT INTO log VALUES (6, 'P-1', 1, 'some day', NULL)")
    assert {c.name: c.type for c in contents(items(scanned(by, tmp_path))["stock 100%/log"])[0].columns}[
        "at"
    ] == "text"


def test_a_locked_database_is_said_in_words(stock: tuple[Path, SourceSpec], tmp_path: Path) -> None:
    scanned(stock[1], tmp_path)
    with closing(sqlite3.connect(stock[0])) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(SourceError, match="locked by another program"):
            scanned(stock[1], tmp_path)
    assert len(list((tmp_path / "mirrors").glob("*/*.db"))) == 3


def test_what_is_no_database_or_a_damaged_one(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(SourceError, match="not an SQLite database"):
        scanned(SourceSpec(f"sqlite:///{tmp_path}/a.db"), tmp_path)
    whole = tmp_path / "b.db"
    change(whole, "CREATE TABLE a (x TEXT)", "CREATE TABLE b (x TEXT)", "INSERT INTO b VALUES ('fine')")
    change(whole, *[f"INSERT INTO a VALUES ('{'y' * 3000}{n}')" for n in range(50)])
    data = bytearray(whole.read_bytes())
    data[8 * 4096 : 30 * 4096] = b"\xff" * (22 * 4096)
    whole.write_bytes(bytes(data))
    found = scanned(SourceSpec(f"sqlite:///{whole}"), tmp_path)
    assert "damaged" in failures(found)["b/a"]
    assert contents(items(found)["b/b"])[1] == [(1, ["fine"])]


def test_a_file_that_is_deleted_takes_its_tables_along(
    stock: tuple[Path, SourceSpec], tmp_path: Path
) -> None:
    stock[0].unlink()
    found = scanned(stock[1], tmp_path)
    assert items(found) == {}
    assert "no such file" in failures(found)[stock[1].uri]


def test_two_thousand_columns_and_broken_text(tmp_path: Path) -> None:
    path = tmp_path / "wide.db"
    columns = ", ".join(f"c{n} TEXT" for n in range(2000))
    change(
        path,
        f"CREATE TABLE wide ({columns})",
        "INSERT INTO wide (c0, c1999) VALUES (CAST(x'ff61' AS TEXT), 'z')",
    )
    item = items(scanned(SourceSpec(f"sqlite:///{path}"), tmp_path))["wide/wide"]
    table, rows = contents(item)
    assert len(table.columns) == 2000
    assert (rows[0][1][0], rows[0][1][1999]) == ("�a", "z")
    assert "c1999: z" in document(item).text


def test_keys_that_name_no_row_are_none(tmp_path: Path) -> None:
    path = tmp_path / "k.db"
    change(
        path, "CREATE TABLE t (k TEXT PRIMARY KEY, v TEXT)", "INSERT INTO t VALUES (NULL, 'a'), (NULL, 'b')"
    )
    spec = SourceSpec(f"sqlite:///{path}")
    first = items(scanned(spec, tmp_path))["k/t"]
    assert contents(first)[1] == [(1, [None, "a"]), (2, [None, "b"])]
    assert version(items(scanned(spec, tmp_path))["k/t"]) == version(first)


def test_a_composite_key_is_the_place(tmp_path: Path) -> None:
    path = tmp_path / "k.db"
    change(
        path,
        "CREATE TABLE t (a TEXT, b INT, v TEXT, PRIMARY KEY (a, b))",
        "INSERT INTO t VALUES ('x', 2, 'v')",
    )
    item = items(scanned(SourceSpec(f"sqlite:///{path}"), tmp_path))["k/t"]
    assert contents(item)[1][0][0] == "x / 2"
    assert [block.key for block in document(item).blocks][-1] == "x / 2"


def test_an_empty_database_names_its_views_and_a_wrong_since_its_columns(
    stock: tuple[Path, SourceSpec], tmp_path: Path
) -> None:
    path = tmp_path / "e.db"
    change(path, "CREATE VIEW only AS SELECT 1 AS x")
    with pytest.raises(SourceError, match="Its views: only"):
        scanned(SourceSpec(f"sqlite:///{path}"), tmp_path)
    since = (("log", "moment"), ("lag", "id"))
    found = failures(scanned(SourceSpec(stock[1].uri, since=since), tmp_path))
    assert "its column moment, which is not there; it has: at, hours, id, pump" in found["stock 100%/log"]
    assert "Did you mean log?" in found["stock 100%"]


def test_a_missing_driver_names_the_line_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "find_spec", lambda name: None)
    with pytest.raises(SourceError, match=r"pip install 'loresmith\[postgres\]'"):
        scanned(SourceSpec("postgresql://db/stock"), tmp_path)
    with pytest.raises(SourceError, match=r"pip install 'loresmith\[mysql\]'"):
        scanned(SourceSpec("mysql://db/stock"), tmp_path)


def test_other_databases_are_refused_with_what_is_read(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="oracle:// are not read") as caught:
        scanned(SourceSpec(f"oracle://scott:{SECRET}@db/x"), tmp_path)
    assert SECRET not in str(caught.value)


# --- what is kept -------------------------------------------------------------------------------------


def test_a_reading_that_breaks_off_leaves_the_old_mirror(
    stock: tuple[Path, SourceSpec], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = SourceSpec(stock[1].uri, tables=("pumps",))
    item = items(scanned(spec, tmp_path))["stock 100%/pumps"]
    before = (Path(item.path).read_bytes(), mirrors.rows_path(Path(item.path)).read_bytes())
    change(stock[0], "INSERT INTO pumps VALUES ('P-3', 'New', 1, NULL, 1)")
    with monkeypatch.context() as patched:
        patched.setattr("loresmith.sources.mirroring.os.replace", _killed)
        with pytest.raises(KeyboardInterrupt):
            scanned(spec, tmp_path)
    assert (Path(item.path).read_bytes(), mirrors.rows_path(Path(item.path)).read_bytes()) == before
    # Between the rows and their card: the next sync writes the card.
    with monkeypatch.context() as patched:
        patched.setattr("loresmith.sources.mirroring.write_atomic", _killed)
        with pytest.raises(KeyboardInterrupt):
            scanned(spec, tmp_path)
    assert Path(item.path).read_bytes() == before[0]
    healed = items(scanned(spec, tmp_path))["stock 100%/pumps"]
    assert len(contents(healed)[1]) == json.loads(Path(healed.path).read_bytes())["rows"] == 3


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_damaged_mirror_is_read_anew(stock: tuple[Path, SourceSpec], tmp_path: Path) -> None:
    spec = SourceSpec(stock[1].uri, tables=("pumps",), since=(("pumps", "id"),))
    item = items(scanned(spec, tmp_path))["stock 100%/pumps"]
    mirrors.rows_path(Path(item.path)).write_bytes(b"SQLite format 3\x00 no more")
    assert len(contents(items(scanned(spec, tmp_path))["stock 100%/pumps"])[1]) == 2


def test_mirrors_of_tables_and_sources_that_are_gone_go(
    stock: tuple[Path, SourceSpec], tmp_path: Path
) -> None:
    scanned(stock[1], tmp_path)
    scanned(SourceSpec(stock[1].uri, tables=("log",)), tmp_path)
    assert len(list((tmp_path / "mirrors").glob("*/*.db"))) == 1
    sweep([stock[1]], tmp_path / "mirrors")
    assert len(list((tmp_path / "mirrors").glob("*/*.db"))) == 1
    sweep([], tmp_path / "mirrors")
    assert not list((tmp_path / "mirrors").iterdir())


def test_many_tables_want_to_be_named(
    stock: tuple[Path, SourceSpec], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "MOST_TABLES", 2)
    with pytest.raises(SourceError, match="--table"):
        scanned(stock[1], tmp_path)


def test_rows_beyond_the_limit_are_counted_but_no_text(tmp_path: Path) -> None:
    path = tmp_path / "many.db"
    change(
        path,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)",
        "CREATE TABLE n (id INTEGER PRIMARY KEY, v INT)",
    )
    with closing(sqlite3.connect(path)) as db:
        db.executemany("INSERT INTO t VALUES (?, ?)", [(n, f"value {n}") for n in range(300)])
        db.executemany("INSERT INTO n VALUES (?, ?)", [(n, n) for n in range(300)])
        db.commit()
    found = items(scanned(SourceSpec(f"sqlite:///{path}"), tmp_path))
    item = found["many/t"]
    text = read(Path(item.path).read_bytes(), item, ParsingSection(rows=100))[0]
    assert "value 99" in text.text
    assert "value 100" not in text.text
    assert any("only the first 100 of 300 rows" in warning for warning in text.warnings)
    assert len(contents(item)[1]) == 300
    # A table of numbers is found by what it is, not by its rows.
    assert "id: 5" not in document(found["many/n"]).text


def test_a_card_in_a_folder_of_documents_leads_nowhere(
    stock: tuple[Path, SourceSpec], tmp_path: Path
) -> None:
    """Only a database's source gives cards: a file that looks like one is text."""
    item = items(scanned(stock[1], tmp_path))["stock 100%/pumps"]
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/card.json").write_bytes(Path(item.path).read_bytes())
    found = list(scan(SourceSpec(str(tmp_path / "docs")), prefix="", web=WebSection(), web_dir=tmp_path))
    assert isinstance(found[0], SourceItem)
    made = read(Path(found[0].path).read_bytes(), found[0], ParsingSection())
    assert made[0].media_type == "application/json"


@pytest.mark.parametrize("seed", range(6))
def test_any_run_of_changes_by_a_column_ends_where_a_whole_reading_does(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    path = tmp_path / "s.db"
    change(path, "CREATE TABLE t (a TEXT, b INT, v TEXT, at INT, PRIMARY KEY (a, b))")
    spec = SourceSpec(f"sqlite:///{path}", since=(("t", "at"),))
    clock = late = 0
    for _ in range(8):
        for _ in range(chance.randrange(12)):
            clock += chance.randrange(2)
            a, b, v = chance.choice("xyz"), chance.randrange(6), chance.choice(["one", "two", None, 3, 2.5])
            # Late arrivals have a time of their own: the same key with the same time is the same row.
            late += 1
            at = chance.choice([clock, clock, clock, -late])
            with closing(sqlite3.connect(path)) as db:
                if chance.random() < 0.4:
                    db.execute("DELETE FROM t WHERE a = ? AND b = ?", (a, b))
                elif db.execute("SELECT 1 FROM t WHERE a = ? AND b = ?", (a, b)).fetchone():
                    db.execute("UPDATE t SET v = ?, at = ? WHERE a = ? AND b = ?", (v, clock, a, b))
                else:
                    db.execute("INSERT INTO t VALUES (?, ?, ?, ?)", (a, b, v, at))
                db.commit()
        item = items(scanned(spec, tmp_path))["s/t"]
        fresh = items(scanned(SourceSpec(spec.uri), tmp_path / "fresh"))["s/t"]
        assert sorted(map(repr, contents(item)[1])) == sorted(map(repr, contents(fresh)[1]))
        cards = [json.loads(Path(one.path).read_bytes()) for one in (item, fresh)]
        assert cards[0]["content"] == cards[1]["content"]
        assert cards[0]["rows"] == len(contents(item)[1])
