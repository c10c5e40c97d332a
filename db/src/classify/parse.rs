use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, ObjectName, Query, Select, SetExpr, Statement, TableFactor, Visit, Visitor,
};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

/// Whether it is one statement that is known to read and to do nothing else.
pub(super) fn only_reads(statement: &str, harmless: &dyn Fn(&str) -> bool) -> bool {
    let Ok(parsed) = Parser::parse_sql(&PostgreSqlDialect {}, statement) else { return false };
    let [Statement::Query(query)] = parsed.as_slice() else { return false };
    query.visit(&mut Reads { harmless }).is_continue()
}

/// Breaks off at the first part that is not known to be harmless.
struct Reads<'a> {
    harmless: &'a dyn Fn(&str) -> bool,
}

type Verdict = ControlFlow<()>;

fn only_if(condition: bool) -> Verdict {
    if condition { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
}

impl Reads<'_> {
    fn call(&self, name: &ObjectName) -> Verdict {
        let function = name.0.last().and_then(|part| part.as_ident());
        // Quoted names keep their case, and are somebody's own.
        let plain = function.filter(|ident| ident.quote_style.is_none());
        only_if(plain.is_some_and(|ident| (self.harmless)(&ident.value.to_ascii_lowercase())))
    }
}

impl Visitor for Reads<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> Verdict {
        let plain = query.locks.is_empty()
            && query.for_clause.is_none()
            && query.settings.is_none()
            && query.format_clause.is_none()
            && query.pipe_operators.is_empty();
        only_if(plain && reads(&query.body))
    }

    fn pre_visit_select(&mut self, select: &Select) -> Verdict {
        only_if(select.into.is_none())
    }

    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> Verdict {
        match table {
            TableFactor::Table { args: None, .. }
            | TableFactor::Derived { .. }
            | TableFactor::NestedJoin { .. }
            // Its expression is visited.
            | TableFactor::TableFunction { .. }
            | TableFactor::UNNEST { .. } => ControlFlow::Continue(()),
            TableFactor::Table { name, args: Some(_), .. } | TableFactor::Function { name, .. } => {
                self.call(name)
            }
            _ => ControlFlow::Break(()),
        }
    }

    fn pre_visit_expr(&mut self, expression: &Expr) -> Verdict {
        match expression {
            Expr::Function(function) => self.call(&function.name),
            _ => ControlFlow::Continue(()),
        }
    }

    /// Any statement inside a query is a data-modifying one.
    fn pre_visit_statement(&mut self, _: &Statement) -> Verdict {
        ControlFlow::Break(())
    }
}

fn reads(body: &SetExpr) -> bool {
    match body {
        // A query inside is visited as one of its own.
        SetExpr::Select(_) | SetExpr::Values(_) | SetExpr::Table(_) | SetExpr::Query(_) => true,
        SetExpr::SetOperation { left, right, .. } => reads(left) && reads(right),
        SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => false,
    }
}
