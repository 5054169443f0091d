//! An OpenAPI document as a page: no script, nothing from elsewhere.

use serde_json::Value;
use std::fmt::Write as _;

/// The page.
pub(super) fn render(document: &Value) -> String {
    let info = &document["info"];
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width\">\n<title>{title}</title>\n<link rel=\"stylesheet\" \
         href=\"/problems/style.css\">\n<main>\n<h1>{title}</h1>\n{about}\
         <p>For programs: <a href=\"/api/v1/openapi.json\">OpenAPI 3.1</a>.</p>\n",
        title = text(&info["title"]),
        about = paragraphs(info["description"].as_str().unwrap_or_default()),
    );
    for tag in document["tags"].as_array().into_iter().flatten() {
        let operations = operations(document, &tag["name"]);
        if operations.is_empty() {
            continue;
        }
        push(
            &mut html,
            format_args!("<h2>{}</h2>\n<p>{}</p>\n", text(&tag["name"]), text(&tag["description"])),
        );
        for (method, path, operation) in operations {
            push(
                &mut html,
                format_args!(
                    "<section>\n<h3>{}</h3>\n<p><code>{} {}</code></p>\n",
                    text(&operation["summary"]),
                    method.to_ascii_uppercase(),
                    escape(path)
                ),
            );
            describe(&mut html, operation);
            html.push_str("</section>\n");
        }
    }
    html.push_str("</main>\n</html>\n");
    html
}

fn operations<'a>(document: &'a Value, tag: &Value) -> Vec<(&'a str, &'a str, &'a Value)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    let all = paths.flat_map(|(path, methods)| {
        methods.as_object().into_iter().flatten().map(|(method, of)| (method.as_str(), path.as_str(), of))
    });
    all.filter(|(_, _, operation)| operation["tags"][0] == *tag).collect()
}

fn describe(html: &mut String, operation: &Value) {
    html.push_str(&paragraphs(operation["description"].as_str().unwrap_or_default()));
    html.push_str("<ul>\n");
    let shown: Vec<_> = operation["security"].as_array().into_iter().flatten().filter_map(name_of).collect();
    if !shown.is_empty() {
        push(html, format_args!("<li>Needs {}</li>\n", shown.join(" or ")));
    }
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        push(
            html,
            format_args!(
                "<li><code>{}</code> ({}): {}</li>\n",
                text(&parameter["name"]),
                text(&parameter["in"]),
                text(&parameter["description"])
            ),
        );
    }
    if let Some(schema) = named(&operation["requestBody"]["content"]["application/json"]["schema"]) {
        push(html, format_args!("<li>Takes <code>{schema}</code></li>\n"));
    }
    for (status, answer) in operation["responses"].as_object().into_iter().flatten() {
        let says = answer["description"].as_str().unwrap_or_default().lines().map(|line| {
            let line = line.trim_start_matches("* ");
            // A problem's line begins with a link to its page.
            line.strip_prefix("[`").and_then(|line| line.split_once("`](")).map_or_else(
                || escape(line),
                |(code, rest)| {
                    let (url, says) = rest.split_once(')').unwrap_or((rest, ""));
                    format!("<a href=\"{}\">{}</a>{}", escape(url), escape(code), escape(says))
                },
            )
        });
        let schema = named(&answer["content"]["application/json"]["schema"]);
        let schema = schema.map(|name| format!(" <code>{name}</code>")).unwrap_or_default();
        let says = says.collect::<Vec<_>>().join("<br>");
        push(html, format_args!("<li><strong>{}</strong>{schema} {says}</li>\n", escape(status)));
    }
    html.push_str("</ul>\n");
}

fn name_of(scheme: &Value) -> Option<String> {
    scheme.as_object()?.keys().next().map(|name| format!("<code>{}</code>", escape(name)))
}

fn named(schema: &Value) -> Option<String> {
    schema["$ref"].as_str()?.rsplit('/').next().map(escape)
}

fn paragraphs(text: &str) -> String {
    let of = text.split("\n\n").map(str::trim).filter(|one| !one.is_empty());
    of.map(|one| format!("<p>{}</p>\n", escape(one))).collect()
}

fn text(value: &Value) -> String {
    escape(value.as_str().unwrap_or_default())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn push(html: &mut String, what: std::fmt::Arguments<'_>) {
    let written = html.write_fmt(what);
    // Writing to a string does not fail.
    debug_assert!(written.is_ok());
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn shows_every_operation_and_escapes_what_it_says() {
        let html = render(&json!({
            "info": { "title": "A <b> API", "description": "One.\n\nTwo." },
            "tags": [{ "name": "things", "description": "Things." }, { "name": "none" }],
            "paths": { "/things/{id}": { "get": {
                "summary": "Look", "tags": ["things"], "security": [{ "accessToken": [] }],
                "responses": { "404": { "description": "* [`not-found`](/problems/not-found): Nothing." } },
            } } },
        }));
        assert!(html.contains("<h1>A &lt;b&gt; API</h1>") && html.contains("<p>Two.</p>"), "{html}");
        assert!(html.contains("<code>GET /things/{id}</code>") && html.contains("accessToken"), "{html}");
        assert!(html.contains("<a href=\"/problems/not-found\">not-found</a>: Nothing."), "{html}");
        assert!(!html.contains("<h2>none"), "{html}");
    }
}
