use super::*;
use proptest::prelude::*;

fn markdown(html: &str) -> String {
    read(html, &Base::new("dir/page.html")).markdown
}

fn headings(html: &str) -> Vec<(String, u8, String)> {
    read(html, &Base::default()).headings.into_iter().map(|h| (h.id, h.level, h.text)).collect()
}

#[test]
fn headings_paragraphs_and_inline_markup() {
    assert_eq!(
        markdown(
            "<head><title>T</title></head><body><h1>One <i>two</i></h1><p>a <b> bold </b> and <code>x</code>\n  end</p><p>next<br>line</p>"
        ),
        "# One *two*\n\na **bold** and `x` end\n\nnext\nline"
    );
    assert_eq!(
        markdown("<p>10<sup>6</sup> and 1<sup>st</sup>, H<sub>2</sub>O, <code>a`b</code>"),
        "10^6 and 1st, H2O, `` a`b ``"
    );
}

#[test]
fn lists_stand_within_lists() {
    assert_eq!(
        markdown("<ul><li>a<ol start=3><li>b</li><li value=7>c</li></ol></li><li><p>d</p><p>e</p></li></ul><p>after"),
        "- a\n  3. b\n  7. c\n- d\n  e\n\nafter"
    );
}

#[test]
fn tables_are_rows_of_cells_and_tables_within_are_text() {
    assert_eq!(
        markdown(
            "<table><tr><th>A</th><th>B|C</th></tr><tr><td><p>1</p><p>2</p></td><td><table><tr><td>x<td>y</tr></table></td></tr></table>z"
        ),
        "| A | B\\|C |\n| --- | --- |\n| 1 2 | x y |\n\nz"
    );
    assert_eq!(
        markdown("<table><tr><th colspan=2>A<th>B<tr><td rowspan=2>1<td>2<td>3<tr><td>4<td>5</table>"),
        "| A |  | B |\n| --- | --- | --- |\n| 1 | 2 | 3 |\n|  | 4 | 5 |"
    );
}

#[test]
fn a_table_with_headings_is_there_for_the_layout() {
    let article = read(
        "<table><tr><td><h2>Left</h2><p>a</td><td><h2>Right</h2><ul><li>b</ul></td></tr></table>",
        &Base::default(),
    );
    assert_eq!(article.markdown, "## Left\n\na\n\n## Right\n\n- b");
    assert_eq!(article.headings.len(), 2);
    assert!(article.folds.is_empty());
}

#[test]
fn preformatted_text_keeps_its_spaces_and_its_language() {
    assert_eq!(markdown("<p>x</p><pre>  a\n    <b>b</b>  c\n</pre>y"), "x\n\n```\n  a\n    b  c\n```\n\ny");
    assert_eq!(markdown("<pre><code class='language-rust'>fn</code></pre>"), "```rust\nfn\n```");
    assert_eq!(markdown("<div class='highlight-python3'><pre>``` in it</pre></div>"), "````python3\n``` in it\n````");
}

#[test]
fn links_lead_to_paths_and_empty_ones_leave_nothing() {
    let html = "<a href='other%20page.html#x'>there</a> <a href='https://e.org/a'>out</a> <a href='#f'>here</a> <a href='x.html'><img src=y></a>.";
    assert_eq!(markdown(html), "[there](<dir/other page.html>) [out](https://e.org/a) here .");
    let article = read(html, &Base::new("dir/page.html"));
    let paths: Vec<_> =
        article.links.iter().map(|l| (l.path.as_deref(), l.fragment.as_deref(), l.text.as_str())).collect();
    assert_eq!(
        paths,
        [(Some("dir/other page.html"), Some("x"), "there"), (None, None, "out"), (Some("dir/x.html"), None, "")]
    );
    assert_eq!((article.anchors, article.media[0].path.as_deref()), (1, Some("dir/y")));
    assert_eq!(without_links(&article, 0..article.markdown.len()), "there out here .");
}

#[test]
fn scripts_styles_and_comments_are_not_text() {
    assert_eq!(markdown("a<script>if (a<b) {}</script><style>p{}</style><!-- c --><svg><svg></svg>x</svg>b"), "ab");
    assert_eq!(markdown("<head><meta><body>text"), "text");
    assert_eq!(
        markdown("f <script type='math/tex'>x^2</script> g <math alttext='{\\displaystyle y}'><mi>y</mi></math>."),
        "f $x^2$ g $y$."
    );
}

#[test]
fn headings_have_ids_by_which_links_lead_to_them() {
    let found = headings(
        "<h2 id=own>A</h2><h2><span id=inner>B</span></h2><a name=before></a><h3>C</h3>\
         <section id=outer><h3>D<a class=headerlink href='#outer'>¶</a></h3></section><h2>E f</h2><h2>E f</h2><h2></h2><h2><img src=x></h2>",
    );
    let ids: Vec<_> = found.iter().map(|h| (h.0.as_str(), h.1, h.2.as_str())).collect();
    assert_eq!(
        ids,
        [
            ("own", 2, "A"),
            ("inner", 2, "B"),
            ("before", 3, "C"),
            ("outer", 3, "D"),
            ("e-f", 2, "E f"),
            ("e-f_2", 2, "E f")
        ]
    );
}

#[test]
fn furniture_is_left_out_and_what_is_never_closed_is_not_furniture() {
    let page = "<div class=hatnote>For x see <a href=y>y</a></div><p>Text<sup class='reference'>[1]</sup> goes on<span class='mw-editsection'>[edit]</span></p>\
        <figure><img src=p.png alt=P><figcaption>Picture</figcaption></figure><div class='navbox x'><div>a</div>b</div><p>end</p>";
    assert_eq!(markdown(page), "Text goes on\n\nend");
    assert_eq!(read(page, &Base::default()).media.len(), 1);
    assert_eq!(markdown("<p>a</p><div class=navbox><p>b</p><p>c</p>"), "a\n\nb\n\nc");
    assert_eq!(
        markdown("<figure><table><tr><td>kept</table><figcaption>Cap</figcaption></figure>"),
        "| kept |\n| --- |\n\nCap"
    );
}

#[test]
fn the_content_of_a_page_is_what_it_says_it_is() {
    let page = "<nav><h2>Menu</h2><a href=m>m</a></nav><main><article><h1>T</h1><p>one <a href=k>k</a></p></article><article><h2>U</h2></article></main><footer>f</footer>";
    let article = read(page, &Base::default());
    assert_eq!(article.markdown, "# T\n\none [k](k)\n\n## U");
    assert_eq!((article.headings.len(), article.links.len(), article.headings[1].at), (2, 1, 17));
    let furniture =
        "<div role=main><h1>T</h1><h2>A</h2><p>a</p><h2>Learn More</h2><p>x</p><h3>y</h3><h2>B</h2><p>b</p></div>";
    let article = read(furniture, &Base::default());
    assert_eq!(article.markdown, "# T\n\n## A\n\na\n\n## B\n\nb");
    assert_eq!(&article.markdown[article.headings[2].at..], "## B\n\nb");
    assert!(markdown("<main></main><p>text</p>").contains("text"));
    assert!(markdown("<article>a</article><article>b</article>c").contains('c'));
}

#[test]
fn the_box_of_facts_becomes_lines_in_the_compact_form() {
    let page = "<table class='infobox vcard'><tr><th colspan=2>Berlin</th></tr><tr><td colspan=2>Capital<br>city</td></tr>\
        <tr class=mergedtoprow><th colspan=2>Area</th></tr><tr><th>&nbsp;• City</th><td>891&nbsp;km<sup>2</sup></td></tr>\
        <tr class=mergedtoprow><th>Rank</th><td><ul><li>5th in Europe</li><li>1st in Germany</li></ul></td></tr></table><p>Berlin is</p>";
    let article = read(page, &Base::default());
    let how = Compact { table_rows: 8, table_chars: 600, facts: 30, links: true };
    let compact = article.compact(0..article.markdown.len(), &how);
    assert_eq!(
        compact,
        "**Berlin**\nCapital; city\n**Area — City:** 891\u{a0}km^2\n**Rank:** 5th in Europe; 1st in Germany\n\nBerlin is"
    );
    let rows = "<tr><td>1<td>2".repeat(20);
    let article = read(&format!("<p>a</p><table>{rows}</table><p>b"), &Base::default());
    let compact = article.compact(0..article.markdown.len(), &how);
    assert_eq!(compact, "a\n\n[Table 1: 20 rows x 2 cols - pass compact=False to expand]\n\nb");
}

#[test]
fn sections_are_slices() {
    let article =
        read("<h1>T</h1><p>lead</p><h2>A</h2><p>a</p><h3>A1</h3><p>a1</p><h2>B</h2><p>b</p>", &Base::default());
    let section = |index: usize, with| article.slice(article.headings[index].at..article.end_of(index, with)).trim();
    assert_eq!(section(1, true), "## A\n\na\n\n### A1\n\na1");
    assert_eq!(section(1, false), "## A\n\na");
    assert_eq!(article.slice(article.lead()).trim(), "# T\n\nlead");
    let empty = read("<h1>T</h1><h2>A</h2><p>a</p><h2>B</h2>", &Base::default());
    assert_eq!(empty.slice(empty.lead()).trim(), "# T\n\n## A\n\na");
}

#[test]
fn depth_costs_nothing() {
    let deep = "<div><ul><li><blockquote><b><table><tr><td>".repeat(50_000);
    assert!(markdown(&format!("{deep}text")).contains("text"));
    let headings = "<table><tr><td><h2>x".repeat(20_000);
    assert_eq!(read(&headings, &Base::default()).headings.len(), 20_000);
}

proptest! {
    #[test]
    fn no_text_is_lost_and_all_places_are_in_the_text(
        pieces in prop::collection::vec(prop_oneof![
            Just("<b>"), Just("</b>"), Just("<p>"), Just("</p>"), Just("<ul>"), Just("<li>"), Just("</ul>"),
            Just("<table>"), Just("<table class=infobox>"), Just("<tr>"), Just("<td>"), Just("<th colspan=3 rowspan=2>"),
            Just("</table>"), Just("</td>"), Just("<a href=x>"), Just("</a>"), Just("<a href=#y>"),
            Just("<pre>"), Just("</pre>"), Just("<blockquote>"), Just("</blockquote>"), Just("<code>"), Just("</code>"),
            Just(" "), Just("\n"), Just("W"), Just("é"), Just("`"), Just("<h2>"), Just("</h2>"), Just("<h3 id=q>"), Just("&amp;"), Just("<em>"),
            Just("</em>"), Just("<div class=navbox>"), Just("<sup>"), Just("<section id=s>"), Just("<img src=i>"), Just("<hr>"), Just("<main>"),
        ], 0..60),
    ) {
        let html = pieces.concat();
        let article = read(&html, &Base::default());
        let words = pieces.iter().filter(|p| **p == "W").count();
        // What stands outside of the content, or in furniture that is closed, is not wanted.
        if !html.contains("<main>") {
            prop_assert_eq!(article.markdown.matches('W').count(), words, "{}", html);
        }
        check(html.as_bytes());
    }

    #[test]
    fn noise_does_not_panic(html in ".{0,200}") {
        check(html.as_bytes());
    }
}
