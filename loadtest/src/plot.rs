//! One plot: axis from zero, the question as its title. In a page, with its figures as a table below, or as a file of
//! its own.

use std::fmt::{self, Display, Write as _};

/// A plot to be drawn.
#[derive(Clone, Debug)]
pub struct Plot<'a> {
    /// The question that it answers.
    pub title: &'a str,
    /// What the upright axis counts.
    pub unit: &'a str,
    /// What the level axis counts.
    pub x: &'a str,
    /// Where the axis ends at least, so that plots of one run can be held beside each other.
    pub until: Option<f64>,
    /// The SLO, as a line across.
    pub limit: Option<f64>,
    /// At most three are told apart.
    pub lines: Vec<Line<'a>>,
}

/// What was measured of one thing.
#[derive(Clone, Debug)]
pub struct Line<'a> {
    /// For the legend.
    pub name: &'a str,
    /// In rising order.
    pub points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 200.0;
const LEFT: f64 = 40.0;
const RIGHT: f64 = 352.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 172.0;

/// Above, below and beside the drawing in a file of its own: title and legend, name of the axis, half a number.
const HEAD: f64 = 56.0;
const FOOT: f64 = 18.0;
const SIDE: f64 = 8.0;

/// About what a letter of the legend takes.
const LETTER: f64 = 5.8;

/// Rows of the table below a plot.
const ROWS: usize = 40;

/// Fewer points than this are drawn as dots too.
const DOTS: usize = 60;

/// Where the axes end and how they are divided.
struct Axes {
    last_x: f64,
    x_step: f64,
    top: f64,
    step: f64,
    limit: Option<f64>,
}

impl Axes {
    fn place(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (LEFT + x / self.last_x * (RIGHT - LEFT), BOTTOM - y / self.top * (BOTTOM - TOP))
    }
}

impl Plot<'_> {
    /// Appends a figure of a page. Nothing, if there is nothing to show.
    ///
    /// # Errors
    /// None: writing to a string does not fail.
    pub fn write(mut self, out: &mut String) -> fmt::Result {
        let Some(axes) = self.axes() else { return Ok(()) };
        write!(
            out,
            "<figure>\n<figcaption><strong>{}</strong> <span class=\"quiet\">{}</span>",
            Text(self.title),
            Text(self.unit)
        )?;
        self.legend(out, axes.limit)?;
        write!(
            out,
            "</figcaption>\n<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\n",
            Text(&self.spoken())
        )?;
        self.draw(out, &axes)?;
        self.tips(out, &axes)?;
        out.push_str("</svg>\n");
        self.table(out)?;
        out.push_str("</figure>\n");
        Ok(())
    }

    /// A file of its own, for light and dark. `None`, if there is nothing to show.
    #[must_use]
    pub fn svg(mut self) -> Option<String> {
        let axes = self.axes()?;
        let mut out = String::new();
        self.file(&mut out, &axes).ok()?;
        Some(out)
    }

    fn file(&self, out: &mut String, axes: &Axes) -> fmt::Result {
        let (top, width, height) = (-HEAD, WIDTH + SIDE, HEAD + HEIGHT + FOOT);
        writeln!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" viewBox=\"0 {top} {width} {height}\" role=\"img\" aria-label=\"{}\">\n<style>{}</style>",
            width * 2.0,
            height * 2.0,
            Text(&self.spoken()),
            concat!(include_str!("plot/style.css"), include_str!("plot/marks.css"))
        )?;
        writeln!(out, "<rect class=\"paper\" y=\"{top}\" width=\"{width}\" height=\"{height}\"/>")?;
        writeln!(
            out,
            "<text class=\"title\" x=\"8\" y=\"{}\">{}</text><text x=\"8\" y=\"{}\">{}</text>",
            top + 18.0,
            Text(self.title),
            top + 33.0,
            Text(self.unit)
        )?;
        let mut x = 8.0;
        let names =
            self.lines.iter().enumerate().map(|(n, line)| (format!("line l{n}"), line.name.to_owned()));
        let limit = axes.limit.map(|limit| ("limit".to_owned(), format!("at most {}", short(limit))));
        for (class, name) in names.chain(limit) {
            let y = top + 48.0;
            writeln!(
                out,
                "<path class=\"{class}\" d=\"M{x:.1} {:.1}h22\"/><text x=\"{:.1}\" y=\"{y}\">{}</text>",
                y - 4.0,
                x + 27.0,
                Text(&name)
            )?;
            x += 39.0 + LETTER * name.chars().count() as f64;
        }
        self.draw(out, axes)?;
        writeln!(
            out,
            "<text class=\"end\" x=\"{RIGHT}\" y=\"{}\">{}</text>\n</svg>",
            HEIGHT + FOOT - 10.0,
            Text(self.x)
        )
    }

    /// `None`, if there is nothing to show. Lines without points are left out.
    fn axes(&mut self) -> Option<Axes> {
        self.lines.retain(|line| !line.points.is_empty());
        if self.lines.is_empty() {
            return None;
        }
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let last_x = nice_above(points().map(|(x, _)| *x).fold(self.until.unwrap_or(1.0), f64::max), 5.0).0;
        let highest = points().map(|(_, y)| *y).fold(0.0, f64::max);
        // A limit far above everything would flatten what there is to see.
        let limit = self.limit.filter(|limit| *limit <= highest * 8.0 || highest == 0.0);
        let (top, step) = nice_above(highest.max(limit.unwrap_or(0.0)).max(1e-9), 4.0);
        Some(Axes { last_x, x_step: nice_above(last_x, 5.0).1, top, step, limit })
    }

    fn draw(&self, out: &mut String, axes: &Axes) -> fmt::Result {
        let mut y = 0.0;
        while y <= axes.top + axes.step / 2.0 {
            let (_, at) = axes.place((0.0, y));
            writeln!(
                out,
                "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{RIGHT}\"/><text class=\"tick end\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                LEFT - 6.0,
                at + 4.0,
                short(y)
            )?;
            y += axes.step;
        }
        let mut x = 0.0;
        while x <= axes.last_x + axes.x_step / 2.0 {
            let (at, _) = axes.place((x, 0.0));
            writeln!(
                out,
                "<text class=\"tick middle\" x=\"{at:.1}\" y=\"{:.1}\">{}</text>",
                BOTTOM + 18.0,
                short(x)
            )?;
            x += axes.x_step;
        }
        if let Some(limit) = axes.limit {
            let (_, at) = axes.place((0.0, limit));
            writeln!(out, "<path class=\"limit\" d=\"M{LEFT} {at:.1}H{RIGHT}\"/>")?;
        }
        for (n, line) in self.lines.iter().enumerate().rev() {
            let mut d = String::new();
            for (i, point) in line.points.iter().enumerate() {
                let (x, y) = axes.place(*point);
                write!(d, "{}{x:.1} {y:.1}", if i == 0 { 'M' } else { 'L' })?;
            }
            writeln!(out, "<path class=\"line l{n}\" d=\"{d}\"/>")?;
            if line.points.len() < DOTS {
                for point in &line.points {
                    let (x, y) = axes.place(*point);
                    write!(out, "<circle class=\"dot l{n}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2\"/>")?;
                }
            }
        }
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
    fn tips(&self, out: &mut String, axes: &Axes) -> fmt::Result {
        let rows = self.rows();
        for (n, (x, values)) in rows.iter().enumerate() {
            let here = axes.place((*x, 0.0)).0;
            let before =
                n.checked_sub(1).and_then(|n| rows.get(n)).map_or(LEFT, |(x, _)| axes.place((*x, 0.0)).0);
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

/// Escaped text.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a>(pub &'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            c => f.write_char(c),
        })
    }
}

/// As many digits as tell something.
#[must_use]
pub fn short(value: f64) -> String {
    let digits = match value.abs() {
        v if v == 0.0 || v >= 100.0 => 0,
        v if v >= 10.0 => 1,
        v if v >= 0.1 => 2,
        _ => 3,
    };
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
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

    #[test]
    fn a_file_of_its_own_names_everything_and_brings_its_colours() {
        let line = |name| Line { name, points: vec![(10.0, 2.0), (50.0, 5.0)] };
        let lines = vec![line("ours"), line("a&b")];
        let plot = Plot { title: "How?", unit: "ms", x: "consults", until: None, limit: Some(4.0), lines };
        let svg = plot.clone().svg().unwrap();
        for named in [">How?<", ">ms<", ">ours<", ">a&amp;b<", ">at most 4<", ">consults<", "dark"] {
            assert!(svg.contains(named), "{named} is not in {svg}");
        }
        assert!(svg.starts_with("<svg xmlns=") && svg.ends_with("</svg>\n"));
        assert_eq!(Plot { lines: vec![], ..plot }.svg(), None);
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
