//! `GET /problems/{code}`: what a problem means and what to do, from `docs/problems/`.

use axum::{
    Router,
    extract::Path,
    http::header,
    response::{Html, IntoResponse, Response},
    routing::get,
};
use platform::problem::{self, Problem};
use rust_embed::RustEmbed;
use std::fmt::Write as _;

#[derive(RustEmbed)]
#[folder = "../docs/problems"]
struct Pages;

const STYLE: &str = "body{max-width:42rem;margin:2rem auto;padding:0 1rem;font:1.125rem/1.5 system-ui,sans-serif;\
    color-scheme:light dark}code{font-size:.9em}";

pub(crate) fn router() -> Router {
    Router::new()
        .route("/problems/style.css", get(|| async { ([(header::CONTENT_TYPE, "text/css")], STYLE) }))
        .route("/problems/{code}", get(show))
}

async fn show(Path(code): Path<String>) -> Response {
    let is_code =
        !code.is_empty() && code.len() <= 64 && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    let page = is_code.then(|| Pages::get(&format!("{code}.md"))).flatten();
    match page.as_ref().and_then(|page| std::str::from_utf8(&page.data).ok()) {
        Some(markdown) => ([(header::CACHE_CONTROL, "no-cache")], Html(render(markdown))).into_response(),
        None => Problem::new(problem::NOT_FOUND).into_response(),
    }
}

/// The Markdown that these pages use: a title, paragraphs, lists, `code`.
fn render(markdown: &str) -> String {
    let title = markdown.lines().find_map(|line| line.strip_prefix("# ")).unwrap_or("Problem");
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width\">\n<title>{}</title>\n<link rel=\"stylesheet\" href=\"/problems/style.css\">\n<main>\n",
        inline(title)
    );
    for block in markdown.split("\n\n").map(str::trim).filter(|block| !block.is_empty()) {
        let written = if let Some(title) = block.strip_prefix("# ") {
            writeln!(html, "<h1>{}</h1>", inline(title))
        } else if let Some(title) = block.strip_prefix("## ") {
            writeln!(html, "<h2>{}</h2>", inline(title))
        } else if let Some(list) = block.strip_prefix("* ") {
            let items: String = list.split("\n* ").map(|item| format!("<li>{}</li>", inline(item))).collect();
            writeln!(html, "<ul>{items}</ul>")
        } else {
            writeln!(html, "<p>{}</p>", inline(block))
        };
        // Writing to a string does not fail.
        debug_assert!(written.is_ok());
    }
    html.push_str("</main>\n</html>\n");
    html
}

fn inline(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let mut html = String::with_capacity(escaped.len());
    for (n, part) in escaped.split('`').enumerate() {
        if n % 2 == 1 {
            html.push_str("<code>");
            html.push_str(part);
            html.push_str("</code>");
        } else {
            html.push_str(part);
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{body::Body, http::Request};
    use tower::ServiceExt as _;

    #[test]
    fn renders_what_the_pages_use_and_escapes_the_rest() {
        let html = render("# Too `big`\n\nA <b> & more.\n\n* one\n* two\n\n## Then\n\nStop.\n");
        assert!(html.contains("<h1>Too <code>big</code></h1>"), "{html}");
        assert!(html.contains("<p>A &lt;b&gt; &amp; more.</p>"));
        assert!(html.contains("<ul><li>one</li><li>two</li></ul>"));
        assert!(html.contains("<h2>Then</h2>\n<p>Stop.</p>"));
    }

    #[tokio::test]
    async fn a_code_has_a_page_and_anything_else_is_not_found() {
        for (path, status) in [
            ("/problems/link-over", 200),
            ("/problems/none-such", 404),
            ("/problems/..%2F..%2FREADME", 404),
            ("/problems/Link-Over", 404),
        ] {
            let response = router().oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
            assert_eq!(response.status(), status, "{path}");
        }
    }
}
