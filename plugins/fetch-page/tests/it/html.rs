use hardpoint_sdk::serde_json::json;

use super::{page, text};

const WHOLE: &str = r##"<!DOCTYPE html>
<html><head><meta charset="utf-8"><title>
  Fish &amp; chips </title><style>p { color: red }</style>
<script>if (a < b) document.write("<p>no</p>")</script></head>
<body><!-- a comment > --><nav><a href="/">Home</a> <a href="#top">Top</a></nav>
<h1>Fish <em>and</em>
chips</h1>
<p>Serve   <b>hot</b>, with&nbsp;<a href="sauces.html?x=1&amp;y=2#tartare"> tartare sauce </a>.<br>Or not.</p>
<ul><li>Cod<ol><li>small</li><li>large</ol><li>Haddock</ul>
<table><tr><th>Size</th><th>Price</th></tr><tr><td>small</td><td>5&euro;</td></table>
<pre>fry( 180 )
  .wait()</pre>
<p><img src="f.png" alt="A plate"><img src="x.png" alt=""><svg><title>no</title><text>no</text></svg></p>
<a href="javascript:alert(1)">nothing</a> <a href="https://else.example/a b"><img src=x></a>
<h2 id="more">More</h2><p hidden>x<p>y
</body></html>"##;

#[test]
fn a_whole_page() {
    let expected = "\
[Home](https://docs.example.com/) Top

# Fish and chips

Serve hot, with [tartare sauce](https://docs.example.com/guide/sauces.html?x=1&y=2) .
Or not.

- Cod
  1. small
  2. large
- Haddock

Size | Price
small | 5\u{20ac}

```
fry( 180 )
  .wait()
```

(image: A plate)

nothing

## More

x

y";
    let page = page(WHOLE);
    assert_eq!(page["text"], expected, "{}", page["text"].as_str().unwrap());
    assert_eq!((&page["title"], &page["url"]), (&json!("Fish & chips"), &json!(super::PAGE)));
    assert_eq!(page["total_chars"], expected.chars().count());
    assert!(page.get("next_offset").is_none() && page.get("note").is_none());
}

#[test]
fn links_lead_where_a_browser_goes() {
    for (href, target) in [
        ("a.html", "https://docs.example.com/guide/a.html"),
        ("./a/../b?q#f", "https://docs.example.com/guide/b?q"),
        ("../../../x/", "https://docs.example.com/x/"),
        ("/root", "https://docs.example.com/root"),
        ("//cdn.example/x", "https://cdn.example/x"),
        ("HTTP://Other.Example:80/P", "http://other.example/P"),
        ("?page=2", "https://docs.example.com/guide/page.html?page=2"),
        ("\u{fc}ber uns", "https://docs.example.com/guide/%C3%BCber%20uns"),
        (" a\n.html ", "https://docs.example.com/guide/a.html"),
    ] {
        assert_eq!(text(&format!("<a href=\"{href}\">t</a>")), format!("[t]({target})"), "{href}");
    }
    for href in [
        "#x",
        "",
        "mailto:a@b.c",
        "javascript:x()",
        "data:text/html,x",
        "ftp://a.b/c",
        "https://",
        "https://u:p@h/",
    ] {
        assert_eq!(text(&format!("<a href=\"{href}\">t</a>")), "t", "{href}");
    }
    assert_eq!(text("<base href='/v2/'><a href=x>t</a>"), "[t](https://docs.example.com/v2/x)");
}

#[test]
fn broken_html_is_read_all_the_same() {
    for (html, expected) in [
        ("a < b && c > d", "a < b && c > d"),
        ("<p>one<p>two", "one\n\ntwo"),
        ("<b>x</i></b></p></div>y", "x\n\ny"),
        (
            "<a href=x>one<a href=y>two",
            "[one](https://docs.example.com/guide/x)[two](https://docs.example.com/guide/y)",
        ),
        ("<a href='x>never closed", ""),
        ("<p title=\"a > b\" data-x = 'y' z=1/>text", "text"),
        ("<p ===>text", "text"),
        ("<!-- never closed <p>x", ""),
        ("<!-->a<!--->b<!---->c<!-- x --->d", "abcd"),
        ("<!doctype html>a<?php x ?>b<![CDATA[c]]>d", "abd"),
        ("<script>x</scriptx></script >y", "y"),
        ("<script>never closed", ""),
        ("<SCRIPT>x</ScRiPt>y", "y"),
        ("<textarea><p>x</textarea>y", "y"),
        ("<title>a</title><title>b</title>c", "c"),
        ("<template><template>x</template>y</template>z", "z"),
        ("</", ""),
        ("a</b c=\">d", "ad"),
        ("<", "<"),
        ("a<", "a<"),
        ("<x", ""),
        (
            "&amp &unknown; &#65;&#x42;&#0;&#xD800;&#99999999; &; &toolongtobeaname;",
            "&amp &unknown; AB\u{fffd}\u{fffd}\u{fffd} &; &toolongtobeaname;",
        ),
        ("&lt;b&gt; &auml;&hellip;&shy;x", "<b> \u{e4}\u{2026}x"),
        ("<h1></h1><p></p>x", "#\n\nx"),
        ("<li>a<li>b", "- a\n- b"),
        ("</ul></ul><pre>a  b", "```\na  b"),
        ("\u{1F600}<p\u{fc}>x</p\u{fc}>", "\u{1F600}x"),
    ] {
        assert_eq!(text(html), expected, "{html}");
    }
}

/// Each would take very long, were it not in proportion to the page.
#[test]
fn hostile_pages_take_their_size() {
    for piece in [
        "<a ",
        "<a href=x>",
        "<!--",
        "<ul>",
        "<ul><li>",
        "</p>",
        "&",
        "&#",
        "<script>",
        "<p a",
        "<a b='",
        "</script",
        "<template>",
        "<td>",
        "<x y=z ",
        "[",
        "<pre>",
        "<title>",
        "<br>",
        " ",
        "<p>",
    ] {
        let html = piece.repeat(300_000 / piece.len());
        let page = page(&html);
        assert!(page["text"].as_str().is_some_and(|text| text.chars().count() <= 20_000), "{piece}");
    }
}
