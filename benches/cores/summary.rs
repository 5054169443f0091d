//! One line of what this run measured, from what criterion wrote down.

use serde_json::{Map, Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

pub(crate) struct Summary {
    directory: PathBuf,
    began: SystemTime,
}

impl Summary {
    #[expect(clippy::disallowed_methods, reason = "tells this run's files from those of earlier runs")]
    pub(crate) fn begin() -> Self {
        let program = std::env::current_exe().unwrap();
        // target/<profile>/deps/<this>
        let target = program.ancestors().nth(3).unwrap();
        Self { directory: target.join("criterion"), began: SystemTime::now() }
    }

    /// Where criterion is to write.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Nothing, if nothing was measured: criterion was asked for a list, or runs as a test.
    pub(crate) fn print(&self) {
        let mut figures = Map::new();
        self.collect(&self.directory, &mut figures);
        if figures.is_empty() {
            return;
        }
        let (cpu, kernel) = loadtest::machine::names();
        let summary = json!({
            "name": "cores", "unit": "ns per packet, message or journey", "figures": figures,
            "conditions": {
                "statistic": "median", "profile": "perf", "cpu": cpu, "kernel": kernel, "build": benches::build(),
            },
            "gate": null, "target": null,
        });
        println!("{summary}");
    }

    fn collect(&self, directory: &Path, figures: &mut Map<String, Value>) {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() && path.file_name().is_some_and(|name| name != "new") {
                self.collect(&path, figures);
            } else if let Some((name, ns)) = self.figure(&path) {
                figures.insert(name, ns.into());
            }
        }
    }

    /// Name and median of a bench that this run measured.
    fn figure(&self, written: &Path) -> Option<(String, f64)> {
        let estimates = written.join("estimates.json");
        if fs::metadata(&estimates).ok()?.modified().ok()? < self.began {
            return None;
        }
        let read = |path: &Path| -> Option<Value> { serde_json::from_slice(&fs::read(path).ok()?).ok() };
        let about = read(&written.join("benchmark.json"))?;
        let median = read(&estimates)?["median"]["point_estimate"].as_f64()?;
        let of = about["throughput"]["Elements"].as_f64().unwrap_or(1.0);
        let ns = (median / of * 100.0).round() / 100.0;
        Some((about["full_id"].as_str()?.to_owned(), ns))
    }
}
