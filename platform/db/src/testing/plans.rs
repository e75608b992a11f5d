//! How statements are carried out: whether any reads a whole table, where it wants a few rows.

use std::{collections::BTreeSet, fmt, sync::Arc};

use parking_lot::Mutex;

use crate::{Db, Engine, ToValue, parameters::highest_parameter, postgres::statement::is_planned_anew};

/// The statements that a database was asked since [`Statements::of`].
#[derive(Clone, Default)]
pub struct Statements(Arc<Mutex<BTreeSet<Asked>>>);

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Asked {
    sql: String,
    /// What its transaction had set before.
    settings: Vec<String>,
}

/// A statement that reads more than it wants.
pub struct Waste {
    /// Its text.
    pub sql: String,
    /// The line of its plan.
    pub line: String,
    plan: String,
}

impl fmt::Debug for Waste {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n  in {}\n{}", self.line, self.sql, self.plan)
    }
}

impl Statements {
    /// From now on notes what `db` is asked.
    #[must_use]
    pub fn of(db: &Db) -> Self {
        db.shared.statements.get_or_init(Self::default).clone()
    }

    pub(crate) fn note(&self, settings: &[String], sql: &str) {
        let planned = ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"];
        let word = sql.split_whitespace().next().unwrap_or_default();
        let of_the_engine = ["pg_", "sqlite_", "pragma_"]
            .iter()
            .any(|name| sql.contains(name));
        if planned.contains(&word) && !of_the_engine {
            self.0.lock().insert(Asked {
                sql: sql.to_owned(),
                settings: settings.to_vec(),
            });
        }
    }

    /// How many different ones.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.lock().len()
    }

    /// Whether a statement was asked whose text has `part`.
    #[must_use]
    pub fn any(&self, part: &str) -> bool {
        self.0.lock().iter().any(|asked| asked.sql.contains(part))
    }

    /// Those of them whose plans read a whole table or a whole index, or sort all that there is to take a few. Plans are asked
    /// for as they are made for any parameters, by the statistics of the moment; not those that are made anew each time.
    pub async fn waste(&self, db: &Db) -> Vec<Waste> {
        let asked: Vec<Asked> = self.0.lock().iter().cloned().collect();
        let partial = match db.engine() {
            Engine::Sqlite => "SELECT name FROM sqlite_schema WHERE type = 'index' AND sql LIKE '% WHERE %'",
            Engine::Postgres => {
                "SELECT CAST(c.relname AS TEXT) FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid WHERE i.indpred IS NOT NULL \
                 AND c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())"
            }
        };
        let partial: Vec<String> = db.fetch_all(partial, &[]).await.unwrap();
        let mut found = Vec::new();
        for one in asked {
            if db.engine() == Engine::Postgres && is_planned_anew(&one.sql) {
                continue;
            }
            let plan = match db.engine() {
                Engine::Sqlite => sqlite_plan(db, &one.sql).await,
                Engine::Postgres => postgres_plan(db, &one).await,
            };
            let wasteful = match db.engine() {
                Engine::Sqlite => sqlite_waste(&one.sql, &plan, &partial),
                Engine::Postgres => postgres_waste(&plan, &partial),
            };
            found.extend(wasteful.into_iter().map(|line| Waste {
                sql: one.sql.clone(),
                line,
                plan: plan.join("\n"),
            }));
        }
        found
    }
}

/// Gathers statistics as somebody does by hand, from another program.
pub async fn analyze(db: &Db) {
    match db.engine() {
        Engine::Sqlite => {
            let sql = "SELECT file FROM pragma_database_list WHERE name = 'main'";
            let file: String = db.fetch_one(sql, &[]).await.unwrap();
            let connection = rusqlite::Connection::open(file).unwrap();
            connection
                .busy_timeout(std::time::Duration::from_secs(10))
                .unwrap();
            connection.execute_batch("ANALYZE").unwrap();
        }
        Engine::Postgres => {
            let sql = "SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = current_schema()";
            for table in db.fetch_all::<String>(sql, &[]).await.unwrap() {
                let mut tx = db.begin().await.unwrap();
                tx.execute_script(&format!("ANALYZE {table}")).await.unwrap();
                tx.commit().await.unwrap();
            }
        }
    }
}

async fn sqlite_plan(db: &Db, sql: &str) -> Vec<String> {
    let nothing: Vec<Option<i64>> = vec![None; highest_parameter(sql)];
    let params: Vec<&dyn ToValue> = nothing.iter().map(|one| one as &dyn ToValue).collect();
    let rows: Vec<(i64, i64, i64, String)> = db
        .fetch_all(&format!("EXPLAIN QUERY PLAN {sql}"), &params)
        .await
        .unwrap_or_else(|e| panic!("{sql}: {e}"));
    rows.into_iter().map(|(.., line)| line).collect()
}

async fn postgres_plan(db: &Db, asked: &Asked) -> Vec<String> {
    let mut tx = db.begin().await.unwrap();
    for setting in &asked.settings {
        tx.fetch_one::<()>(setting, &[]).await.unwrap();
    }
    let prepare = format!(
        "SET LOCAL plan_cache_mode = force_generic_plan; PREPARE asked AS {}",
        asked.sql
    );
    tx.execute_script(&prepare)
        .await
        .unwrap_or_else(|e| panic!("{}: {e}", asked.sql));
    let arguments = vec!["NULL"; highest_parameter(&asked.sql)].join(", ");
    let call = if arguments.is_empty() {
        String::new()
    } else {
        format!("({arguments})")
    };
    let plan = tx
        .fetch_all(&format!("EXPLAIN (COSTS OFF) EXECUTE asked{call}"), &[])
        .await
        .unwrap();
    tx.execute_script("DEALLOCATE asked").await.unwrap();
    tx.rollback().await;
    plan
}

/// `SCAN` reads all of a table, or of an index: the latter is meant where the index is only of the rows that are wanted, or
/// gives them in the order in which the first few are taken.
fn sqlite_waste(sql: &str, plan: &[String], partial: &[String]) -> Vec<String> {
    const SORT: &str = "USE TEMP B-TREE FOR ORDER BY";
    let limited = sql.contains("LIMIT");
    let sorts = plan.iter().any(|line| line == SORT);
    let made_here = |name: &str| {
        let made = ["MATERIALIZE", "CO-ROUTINE"].map(|how| format!("{how} {name}"));
        plan.iter().any(|line| made.contains(line))
    };
    let is_waste = |line: &&String| {
        let Some(scan) = line.strip_prefix("SCAN ") else {
            return line.contains("AUTOMATIC") || *line == SORT && limited;
        };
        let words: Vec<&str> = scan.split(' ').collect();
        let of_rows = scan.contains("CONSTANT ROW") || scan.starts_with('(') || scan.contains("VALUES");
        if of_rows || made_here(words[0]) {
            return false;
        }
        let index = words.iter().skip_while(|word| **word != "INDEX").nth(1);
        index.is_none_or(|index| !partial.iter().any(|one| one == index) && (!limited || sorts))
    };
    plan.iter().filter(is_waste).cloned().collect()
}

/// As on SQLite.
fn postgres_waste(plan: &[String], partial: &[String]) -> Vec<String> {
    let limited = plan.iter().any(|line| line.contains("Limit"));
    let sorts = plan.iter().any(|line| line.contains("Sort Key"));
    let mut waste = Vec::new();
    for (at, line) in plan.iter().enumerate() {
        let by_condition = plan[at + 1..]
            .iter()
            .take_while(|next| !next.contains("->"))
            .any(|next| next.contains("Index Cond"));
        let of_index = ["Index Scan", "Index Only Scan"]
            .iter()
            .any(|kind| line.contains(kind));
        let of_partial = partial.iter().any(|one| line.split(' ').any(|word| word == one));
        let whole_index = of_index && !by_condition && !of_partial && (!limited || sorts);
        if line.contains("Seq Scan on") || whole_index || limited && line.contains("Sort Key") {
            waste.push(line.trim().to_owned());
        }
    }
    waste
}
