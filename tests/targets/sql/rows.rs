//! Any type comes back exactly, and nothing is changed that is not kept.

use super::{Case, Fixture as _, Kind, goal, statements};
use irctl::base::ErrorCode;
use irctl::rollback::targets::{Switch as _, Target as _};

/// Stages, switches, checks that something changed, undoes, and compares.
#[track_caller]
fn there_and_back(case: &Case) {
    let before = case.all();
    let switch = case.staged("OP-1");
    case.with(|context| switch.act(context)).unwrap_or_else(|error| panic!("{error:?}"));
    assert_ne!(case.all(), before);
    case.with(|context| switch.undo(context)).unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(case.all(), before);
}

#[track_caller]
fn refused(case: &Case, words: &str) {
    let before = case.all();
    let (to, from) = case.versions();
    let prediction = case.sql_target().predict(&goal(&to, &from)).unwrap();
    assert!(prediction.refusals.iter().any(|refusal| refusal.contains(words)), "{:?}", prediction.refusals);
    let error = case.stage_as("OP-1").unwrap_err();
    assert_eq!(error.code, ErrorCode::Refused, "{error:?}");
    assert!(error.hint.is_some());
    assert_eq!(case.all(), before, "nothing is changed");
}

#[test]
fn every_type_of_postgres_comes_back() {
    let setup = "
        CREATE TYPE mood AS ENUM ('calm', 'a''b c');
        CREATE DOMAIN ratio AS numeric CHECK (VALUE <= 100);
        CREATE TYPE pair AS (a integer, b text);
        CREATE TABLE \"Every Type\" (
            a smallint, b bigint GENERATED ALWAYS AS IDENTITY, c real, d double precision, e numeric, f numeric(12,4), g money,
            h varchar(20), i char(6), j \"char\", k name, l bytea, m date, n time, o timetz, p timestamp, q timestamptz,
            r interval, s boolean, t mood, u ratio, v pair, w inet, x cidr, y macaddr, z bit(5), aa varbit, ab tsvector,
            ac uuid, ad xml, ae json, af jsonb, ag integer[], ah text[][], ai pair[], aj int4range, ak point, al polygon,
            am oid, an regclass, ao bpchar, ap timestamptz[], aq jsonpath, ar double precision GENERATED ALWAYS AS (d * 2) STORED,
            PRIMARY KEY (b, \"h\"));
        INSERT INTO \"Every Type\" (a,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z,aa,ab,ac,ad,ae,af,ag,ah,ai,aj,ak,al,am,an,ao,ap,aq) VALUES
            (-3, 0.1, 'NaN', 'NaN', 12.5, '1234.56', 'ä ; '' \"', 'ab', 'x', 'a name', '\\x00ff', '0044-03-15 BC', '24:00', '12:00:00.000001+05:30',
             'infinity', '2026-11-01 05:30:00.123456+00', '-1 year 2 mons -3 days 04:05:06.7', NULL, 'a''b c', 99.90, '(1,\"x, y\")',
             '10.0.0.1/8', '10.0.0.0/8', '08:00:2b:01:02:03', B'10101', B'1', 'a:1A fat:2', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
             '<a>b</a>', '{\"b\":1,  \"b\": 2}', '{\"z\": [1, 2.50]}', '[0:1]={7,NULL}', '{{a,\"b,c\"},{NULL,\"\"}}', '{\"(1,a)\",NULL}', '[1,5)', '(1.5,2)',
             '((0,0),(1,1),(1,0))', 4294967295, 'pg_class', 'blanks  ', '{2026-01-01 00:00:00+00,infinity}', '$.a[*]'),
            (NULL, '-0', 5e-324, 12345678901234567890.123456789, NULL, NULL, '', NULL, NULL, NULL, '', NULL, NULL, NULL, NULL, NULL, NULL, true,
             NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'null', '{}', NULL, NULL, 'empty', NULL, NULL, NULL, NULL, NULL, NULL, NULL)";
    let change = |run: &str| {
        format!("change: {{statements: {{run: [{{sql: '{run}'}}], keep: [{{table: 'Every Type'}}]}}}}")
    };
    // Rows are set to something else in every column, rows go, and rows come.
    for run in [
        "UPDATE \"Every Type\" SET (a,c,d,e,f,g,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z,aa,ab,ac,ad,ae,af,ag,ah,ai,aj,ak,al,am,an,ao,ap,aq) = (1,1,1,1,1,1,''1'',''1'',''1'',''1'',''2000-01-01'',''1:00'',''1:00'',''2000-01-01'',''2000-01-01'',''1 day'',false,''calm'',1,''(2,z)'',''1.1.1.1'',''1.0.0.0/8'',''08:00:2b:01:02:04'',B''00000'',B''0'',''b'',''a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12'',''<b/>'',''1'',''1'',''{1}'',''{a}'',''{}'',''[1,2)'',''(1,1)'',''((0,0))'',1,''pg_type'',''1'',''{}'',''$'')",
        "DELETE FROM \"Every Type\"",
        "INSERT INTO \"Every Type\" (h, q) VALUES (:actor, :now)",
    ] {
        let case = Case::new(Kind::Postgres, setup, &["\"Every Type\""], &change(run), "");
        there_and_back(&case);
        // What was undone can be done again, by an operation of its own, and undone again.
        let before = case.all();
        let switch = case.staged("OP-2");
        case.with(|context| switch.act(context)).unwrap();
        let after = case.all();
        case.sql("SET DateStyle = 'German, DMY'");
        let images = case.images("OP-3");
        let staging = irctl::rollback::targets::Staging { images: &images, operation: "OP-3" };
        let reverse = switch.reverse(&staging).unwrap();
        case.with(|context| reverse.switch().act(context)).unwrap();
        assert_eq!(case.all(), before);
        case.with(|context| reverse.switch().undo(context)).unwrap();
        assert_eq!(case.all(), after);
    }
}

#[test]
fn every_storage_class_of_sqlite_comes_back() {
    let setup = "CREATE TABLE odd (a, b, half AS (a), c TEXT);
        INSERT INTO odd (a, b, c) VALUES (1, 1.0, '1'), ('1', x'00', NULL), (NULL, 0.1 + 0.2, 'é'''), (9223372036854775807, -9e999, '');
        DELETE FROM odd WHERE b = 1.0;
        CREATE TABLE no_row_id (k TEXT, l REAL, v, PRIMARY KEY (l, k)) WITHOUT ROWID;
        INSERT INTO no_row_id VALUES ('a', 0.1, 1), ('b', 2, NULL);";
    for run in [
        "UPDATE odd SET a = 5, b = NULL, c = 7",
        "DELETE FROM odd WHERE a IS NOT NULL",
        "INSERT INTO odd (a) VALUES (:now)",
    ] {
        let rest = format!(
            "change: {{statements: {{run: [{{sql: '{run}'}}, {{sql: 'DELETE FROM no_row_id WHERE l < 1'}}], keep: [{{table: odd}}, {{table: no_row_id}}]}}}}"
        );
        let case = Case::new(Kind::Sqlite, setup, &["odd"], &rest, "");
        there_and_back(&case);
    }
}

#[test]
fn a_clean_up_with_a_budget_can_be_undone() {
    let setup = "CREATE TABLE mbo_events (timestamp TEXT, price REAL);
        INSERT INTO mbo_events VALUES ('2026-11-20 01:00:00', 1.5), ('2026-11-20 02:30:00', NULL), ('2026-11-20 03:00:00', 2.5), ('2026-11-20 03:00:00', 2.5);";
    let rest = |most: u64| {
        format!(
            "change:
               statements:
                 run: [{{sql: \"DELETE FROM mbo_events WHERE timestamp > datetime(:now, '-1 hour')\", rows: {{at_most: {most}}}}}]
                 keep: [{{table: mbo_events, where: \"timestamp > datetime(:now, '-1 hour')\"}}]"
        )
    };
    let case = Case::new(Kind::Sqlite, setup, &["mbo_events"], &rest(3), "");
    there_and_back(&case);
    assert_eq!(case.staged("OP-2").rows, 3);
    refused(&Case::new(Kind::Sqlite, setup, &["mbo_events"], &rest(2), ""), "concerns 3 rows, not at most 2");
}

#[test]
fn a_script_is_one_transaction() {
    for kind in [Kind::Postgres, Kind::Sqlite] {
        let case = Case::new(
            kind,
            "CREATE TABLE counters (name text PRIMARY KEY, n integer); INSERT INTO counters VALUES ('a', 3), ('b', 4);
             CREATE TABLE history (id integer PRIMARY KEY, note text); INSERT INTO history VALUES (1, 'x;y')",
            &["counters", "history"],
            "change: {statements: {script: scripts/reset_metrics.sql, keep: [{table: counters}, {table: history}]}}",
            "",
        );
        let script = case.images("scripts").join("reset_metrics.sql");
        let text = "-- everything of phase 4\nBEGIN;\nUPDATE counters SET n = 0; DELETE FROM history WHERE note = 'x;y';\nCOMMIT;\n";
        std::fs::write(&script, text).unwrap();
        there_and_back(&case);
        std::fs::write(&script, "UPDATE counters SET n = 0; DROP TABLE history;").unwrap();
        assert!(case.stage_as("OP-2").unwrap_err().message.contains("`DROP` is not possible"));
        std::fs::write(&script, "UPDATE counters SET n = 0; DELETE FROM missing;").unwrap();
        let before = case.all();
        assert_eq!(case.stage_as("OP-2").unwrap_err().code, ErrorCode::InvalidConfiguration);
        assert_eq!(case.all(), before);
    }
}

#[test]
fn what_is_not_kept_is_not_touched() {
    let keep = |statement: &str, condition: &str| {
        format!(
            "change: {{statements: {{run: [{{sql: \"{statement}\"}}], keep: [{{table: a, where: \"{condition}\"}}]}}}}"
        )
    };
    for kind in [Kind::Postgres, Kind::Sqlite] {
        let setup = "CREATE TABLE a (id integer PRIMARY KEY, v integer UNIQUE);
            INSERT INTO a VALUES (1, 1), (2, 2), (3, 3);
            CREATE TABLE b (id integer PRIMARY KEY, a_id integer REFERENCES a (id) ON DELETE CASCADE);
            INSERT INTO b VALUES (1, 3)";
        let case = |statement: &str, condition: &str| {
            Case::new(kind, setup, &["a", "b"], &keep(statement, condition), "")
        };
        there_and_back(&case("UPDATE a SET v = v + 10", "id > 0"));
        refused(&case("UPDATE a SET v = v + 10", "id < 3"), "only 2 of them are kept");
        refused(&case("UPDATE a SET v = v", "id < 3"), "only 2 of them are kept");
        refused(&case("DELETE FROM a WHERE id < 3", "id = 1"), "only 1 of them are kept");
        refused(&case("DELETE FROM a WHERE id = 3", "id = 3"), "b would be changed too");
        refused(&case("INSERT INTO a VALUES (9, 9)", "id < 9"), "came to match");
        refused(&case("UPDATE a SET v = 50 WHERE id = 2", "v >= 50"), "came to match");
        refused(&case("UPDATE a SET v = 1 WHERE id = 2", "true"), "does not allow");
        if kind == Kind::Sqlite {
            refused(&case("REPLACE INTO a VALUES (9, 2)", "id > 8"), "only 0 of them are kept");
            there_and_back(&case("REPLACE INTO a VALUES (9, 2)", "true"));
        }
    }
}

#[test]
fn triggers_are_named_and_what_they_spoil_is_refused() {
    let rest = |more: &str| {
        format!(
            "{more}\nchange: {{statements: {{run: [{{sql: 'UPDATE a SET v = 7'}}], keep: [{{table: a}}]}}}}"
        )
    };
    let audit = [
        (Kind::Postgres, "CREATE TABLE a (id integer PRIMARY KEY, v integer, at timestamptz); INSERT INTO a VALUES (1, 1, NULL);
            CREATE TABLE audit (note text);
            CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO audit VALUES ('x'); RETURN NEW; END $$;
            CREATE TRIGGER noted AFTER UPDATE ON a FOR EACH ROW EXECUTE FUNCTION note();"),
        (Kind::Sqlite, "CREATE TABLE a (id integer PRIMARY KEY, v integer, at text); INSERT INTO a VALUES (1, 1, NULL);
            CREATE TABLE audit (note text);
            CREATE TRIGGER noted AFTER UPDATE ON a BEGIN INSERT INTO audit VALUES ('x'); END;"),
    ];
    for (kind, setup) in audit {
        refused(&Case::new(kind, setup, &["a", "audit"], &rest(""), ""), "audit would be changed too");
        let case = Case::new(kind, setup, &["a"], &rest("side_effects: [audit]"), "");
        let (to, from) = case.versions();
        let prediction = case.sql_target().predict(&goal(&to, &from)).unwrap();
        assert!(prediction.could_undo_this.iter().any(|line| line.starts_with("the trigger noted on")));
        assert!(prediction.cannot_be_undone.contains(&"what triggers write to audit".to_owned()));
        there_and_back(&case);
    }
    let spoils = "CREATE TABLE a (id integer PRIMARY KEY, v integer, at timestamptz); INSERT INTO a VALUES (1, 1, NULL);
        CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.at := clock_timestamp(); RETURN NEW; END $$;
        CREATE TRIGGER stamped BEFORE UPDATE ON a FOR EACH ROW EXECUTE FUNCTION stamp();";
    refused(&Case::new(Kind::Postgres, spoils, &["a"], &rest(""), ""), "do not come back as they were");
}

#[test]
fn partitions_and_schemas_are_seen_through() {
    let setup =
        "CREATE TABLE ev (id integer, day date, v integer, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
        CREATE TABLE ev_1 PARTITION OF ev FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
        CREATE TABLE ev_2 PARTITION OF ev FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
        INSERT INTO ev VALUES (1, '2026-01-05', 1), (2, '2026-02-05', 2)";
    let rest =
        "change: {statements: {run: [{sql: 'UPDATE ev SET v = v + 1', rows: 2}], keep: [{table: ev}]}}";
    there_and_back(&Case::new(Kind::Postgres, setup, &["ev"], rest, ""));
    let setup = "DROP SCHEMA IF EXISTS trading_x CASCADE; CREATE SCHEMA trading_x; CREATE TABLE trading_x.\"a.b\" (id integer PRIMARY KEY, v text);
        INSERT INTO trading_x.\"a.b\" VALUES (1, 'x')";
    let rest = "marker: trading_x.marks\nchange: {statements: {run: [{sql: 'DELETE FROM trading_x.\"a.b\"'}], keep: [{table: 'trading_x.\"a.b\"'}]}}";
    let case = Case::new(Kind::Postgres, setup, &["trading_x.\"a.b\""], rest, "");
    there_and_back(&case);
    assert_eq!(case.value("SELECT count(*) FROM trading_x.marks WHERE undone_at IS NOT NULL"), "1");
}

#[test]
fn a_table_that_others_go_on_writing_to_can_be_captured_by_the_switch() {
    for kind in [Kind::Postgres, Kind::Sqlite] {
        let case = Case::new(
            kind,
            "CREATE TABLE ev (id integer PRIMARY KEY, at text); INSERT INTO ev VALUES (1, 'b'), (2, 'c')",
            &["ev"],
            "capture: switch\nchange: {statements: {run: [{sql: \"DELETE FROM ev WHERE at > 'a'\"}], keep: [{table: ev, where: \"at > 'a'\"}]}}",
            "",
        );
        let switch = case.staged("OP-1");
        case.sql("INSERT INTO ev VALUES (3, 'd')");
        let before = case.all();
        case.with(|context| switch.act(context)).unwrap();
        case.sql("INSERT INTO ev VALUES (4, 'e')");
        case.with(|context| switch.undo(context)).unwrap();
        case.sql("DELETE FROM ev WHERE id = 4");
        assert_eq!(case.all(), before, "the third row was kept as well, the fourth is theirs");
    }
}

#[test]
fn many_changes_are_counted_and_the_first_shown() {
    for kind in [Kind::Postgres, Kind::Sqlite] {
        let rows: Vec<_> = (0..600).map(|id| format!("({id}, {id})")).collect();
        let setup = format!(
            "CREATE TABLE a (id integer PRIMARY KEY, v integer); INSERT INTO a VALUES {}",
            rows.join(",")
        );
        let rest = "change: {statements: {run: [{sql: 'UPDATE a SET v = 1 - v'}], keep: [{table: a}]}}";
        let case = Case::new(kind, &setup, &["a"], rest, "");
        let (to, from) = case.versions();
        let prediction = case.sql_target().predict(&goal(&to, &from)).unwrap();
        assert_eq!(prediction.changes.len(), 20);
        assert!(prediction.manner.unwrap().starts_with("one transaction over 600 rows"));
        there_and_back(&case);
    }
}

#[test]
fn what_is_observed_does_not_need_a_goal() {
    for kind in [Kind::Postgres, Kind::Sqlite] {
        let case = statements(kind);
        let shown = case.sql_target().observe().unwrap().shown;
        assert!(shown.raw().contains("1 rows of") && shown.raw().contains("settings"), "{shown}");
    }
}
