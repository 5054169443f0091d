//! One plot as inline SVG: axis from zero, the question as its title, its figures as a table below.

use super::{Text, short};
use std::fmt::{self, Write as _};

pub(super) struct Plot<'a> {
    pub(super) title: &'a str,
    pub(super) unit: &'a str,
    pub(super) x: &'a str,
    /// Where the axis ends at least, so that plots of one run can be held beside each other.
    pub(super) until: Option<f64>,
    /// The SLO, as a line across.
    pub(super) limit: Option<f64>,
    pub(super) lines: Vec<Line<'a>>,
}

pub(super) struct Line<'a> {
    pub(super) name: &'a str,
    pub(super) points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 200.0;
const LEFT: f64 = 40.0;
const RIGHT: f64 = 352.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 172.0;

/// Rows of the table below a plot.
const ROWS: usize = 40;

/// Fewer points than this are drawn as dots too.
const DOTS: usize = 60;

impl Plot<'_> {
    /// Nothing, if there is nothing to show.
    pub(super) fn write(mut self, out: &mut String) -> fmt::Result {
        self.lines.retain(|line| !line.points.is_empty());
        if self.lines.is_empty() {
            return Ok(());
        }
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let last_x = nice_above(points().map(|(x, _)| *x).fold(self.until.unwrap_or(1.0), f64::max), 5.0).0;
        let highest = points().map(|(_, y)| *y).fold(0.0, f64::max);
        // A limit far above everything would flatten what there is to see.
        let limit = self.limit.filter(|limit| *limit <= highest * 8.0 || highest == 0.0);
        let (top, step) = nice_above(highest.max(limit.unwrap_or(0.0)).max(1e-9), 4.0);
        let (last_tick, x_step) = (last_x, nice_above(last_x, 5.0).1);
        let place =
            |(x, y): (f64, f64)| (LEFT + x / last_tick * (RIGHT - LEFT), BOTTOM - y / top * (BOTTOM - TOP));
        write!(
            out,
            "<figure>\n<figcaption><strong>{}</strong> <span class=\"quiet\">{}</span>",
            Text(self.title),
            Text(self.unit)
        )?;
        self.legend(out, limit)?;
        write!(
            out,
            "</figcaption>\n<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\n",
            Text(&self.spoken())
        )?;
        let mut y = 0.0;
        while y <= top + step / 2.0 {
            let (_, at) = place((0.0, y));
            writeln!(
                out,
                "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{RIGHT}\"/><text class=\"tick end\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                LEFT - 6.0,
                at + 4.0,
                short(y)
            )?;
            y += step;
        }
        let mut x = 0.0;
        while x <= last_tick + x_step / 2.0 {
            let (at, _) = place((x, 0.0));
            writeln!(
                out,
                "<text class=\"tick middle\" x=\"{at:.1}\" y=\"{:.1}\">{}</text>",
                BOTTOM + 18.0,
                short(x)
            )?;
            x += x_step;
        }
        if let Some(limit) = limit {
            let (_, at) = place((0.0, limit));
            writeln!(out, "<path class=\"limit\" d=\"M{LEFT} {at:.1}H{RIGHT}\"/>")?;
        }
        for (n, line) in self.lines.iter().enumerate().rev() {
            let mut d = String::new();
            for (i, point) in line.points.iter().enumerate() {
                let (x, y) = place(*point);
                write!(d, "{}{x:.1} {y:.1}", if i == 0 { 'M' } else { 'L' })?;
            }
            writeln!(out, "<path class=\"line l{n}\" d=\"{d}\"/>")?;
            if line.points.len() < DOTS {
                for point in &line.points {
                    let (x, y) = place(*point);
                    write!(out, "<circle class=\"dot l{n}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2\"/>")?;
                }
            }
        }
        self.tips(out, &place)?;
        out.push_str("</svg>\n");
        self.table(out)?;
        out.push_str("</figure>\n");
        Ok(())
    }

    fn legend(&self, out: &mut String, limit: Option<f64>) -> fmt::Result {
        if self.lines.len() < 2 && limit.is_none() {
            return Ok(());
        }
        out.push_str("<span class=\"legend\">");
        for (n, line) in self.lines.iter().enumerate() {
            write!(
                out,
                "<span><svg viewBox=\"0 0 22 8\" aria-hidden=\"true\"><path class=\"line l{n}\" d=\"M0 4H22\"/></svg>{}</span>",
                Text(line.name)
            )?;
        }
        if let Some(limit) = limit {
            write!(
                out,
                "<span><svg viewBox=\"0 0 22 8\" aria-hidden=\"true\"><path class=\"limit\" d=\"M0 4H22\"/></svg>at most {}</span>",
                short(limit)
            )?;
        }
        out.push_str("</span>");
        Ok(())
    }

    /// For who cannot see it.
    fn spoken(&self) -> String {
        let mut said = format!("{} In {}.", self.title, self.unit);
        for line in &self.lines {
            let highest =
                line.points.iter().copied().fold((0.0, f64::MIN), |a, b| if b.1 > a.1 { b } else { a });
            let last = line.points.last().map_or(0.0, |(_, y)| *y);
            said += &format!(
                " {}: highest {} at {}, last {}.",
                line.name,
                short(highest.1),
                short(highest.0),
                short(last)
            );
        }
        said
    }

    /// What is under the pointer, without a script.
    fn tips(&self, out: &mut String, place: &dyn Fn((f64, f64)) -> (f64, f64)) -> fmt::Result {
        let rows = self.rows();
        for (n, (x, values)) in rows.iter().enumerate() {
            let here = place((*x, 0.0)).0;
            let before = n.checked_sub(1).and_then(|n| rows.get(n)).map_or(LEFT, |(x, _)| place((*x, 0.0)).0);
            let mut tip = format!("{} {}:", self.x.to_lowercase(), short(*x));
            for (line, value) in self.lines.iter().zip(values) {
                if let Some(value) = value {
                    tip += &format!(" {} {};", line.name, short(*value));
                }
            }
            let tip = tip.trim_end_matches(';');
            write!(
                out,
                "<rect class=\"tip\" x=\"{before:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{}\"><title>{}</title></rect>",
                (here - before).max(1.0),
                BOTTOM - TOP,
                Text(tip)
            )?;
        }
        out.push('\n');
        Ok(())
    }

    /// Every x with a value of each line, if it has one.
    fn rows(&self) -> Vec<(f64, Vec<Option<f64>>)> {
        let mut xs: Vec<f64> = self.lines.iter().flat_map(|line| &line.points).map(|(x, _)| *x).collect();
        xs.sort_by(f64::total_cmp);
        xs.dedup();
        let value = |line: &Line<'_>, x: f64| line.points.iter().find(|(at, _)| *at == x).map(|(_, y)| *y);
        xs.into_iter().map(|x| (x, self.lines.iter().map(|line| value(line, x)).collect())).collect()
    }

    fn table(&self, out: &mut String) -> fmt::Result {
        let rows = self.rows();
        let every = rows.len().div_ceil(ROWS).max(1);
        write!(
            out,
            "<details><summary>As a table</summary><div class=\"scroll\"><table><thead><tr><th scope=\"col\" class=\"n\">{}</th>",
            Text(self.x)
        )?;
        for line in &self.lines {
            write!(out, "<th scope=\"col\" class=\"n\">{}</th>", Text(line.name))?;
        }
        out.push_str("</tr></thead><tbody>");
        for (x, values) in rows.iter().step_by(every) {
            write!(out, "<tr><td class=\"n\">{}</td>", short(*x))?;
            for value in values {
                write!(out, "<td class=\"n\">{}</td>", value.map_or_else(|| "–".to_owned(), short))?;
            }
            out.push_str("</tr>");
        }
        out.push_str("</tbody></table></div></details>\n");
        Ok(())
    }
}

/// A round number that is not below, and the round step that leads there in some `parts`.
fn nice_above(value: f64, parts: f64) -> (f64, f64) {
    let rough = value / parts;
    let power = 10_f64.powf(rough.log10().floor());
    let step =
        [1.0, 2.0, 2.5, 5.0, 10.0].map(|by| by * power).into_iter().find(|step| *step >= rough * 0.999);
    let step = step.unwrap_or(power * 10.0);
    ((value / step * 0.999).ceil() * step, step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn axes_end_at_round_numbers() {
        for (value, top, step) in [
            (0.7, 0.8, 0.2),
            (93.0, 100.0, 25.0),
            (100.0, 100.0, 25.0),
            (7.0, 8.0, 2.0),
            (1e-9, 1e-9, 2.5e-10),
        ] {
            let (got, by) = nice_above(value, 4.0);
            assert!(
                (got - top).abs() < 1e-9 * top.max(1.0) && (by - step).abs() < 1e-6 * step,
                "{value}: {got} {by}"
            );
        }
    }

    #[test]
    fn a_plot_says_its_question_and_its_figures_and_escapes() {
        let mut out = String::new();
        let lines = vec![
            Line { name: "a<b", points: vec![(1.0, 2.0), (2.0, 5.0)] },
            Line { name: "none", points: vec![] },
        ];
        Plot { title: "How?", unit: "ms", x: "Seconds", until: None, limit: Some(4.0), lines }
            .write(&mut out)
            .unwrap();
        assert!(
            out.contains("How? In ms. a&lt;b: highest 5 at 2, last 5.") && !out.contains("none"),
            "{out}"
        );
        assert!(out.contains("class=\"limit\"") && out.contains("at most 4") && !out.contains("a<b"));
        assert_eq!(out.matches("<tr>").count(), 3);
        let mut out = String::new();
        Plot { title: "How?", unit: "ms", x: "Seconds", until: None, limit: None, lines: vec![] }
            .write(&mut out)
            .unwrap();
        assert_eq!(out, "");
    }

    proptest! {
        #[test]
        fn an_axis_reaches_what_it_must_and_not_far_beyond(value in 1e-6..1e9) {
            let (top, step) = nice_above(value, 4.0);
            prop_assert!(top >= value * 0.998 && top <= value * 2.0 + step);
            prop_assert!(top / step <= 5.01);
        }
    }
}
