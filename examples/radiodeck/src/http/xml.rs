//! XML for callers that know nothing else: the JSON document, as elements.
//!
//! A member becomes an element of its name, a list an element of plural name with one element of
//! singular name for each entry, null nothing. So there is one description of each answer.

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};
use serde_json::Value;

pub(crate) fn document(root: &str, value: &Value) -> String {
    let mut writer = Writer::new(Vec::new());
    // Writing to memory cannot fail.
    let _ = writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)));
    let _ = element(&mut writer, root, value);
    String::from_utf8(writer.into_inner()).unwrap_or_default()
}

fn element(writer: &mut Writer<Vec<u8>>, name: &str, value: &Value) -> std::io::Result<()> {
    let element = writer.create_element(name);
    match value {
        Value::Null => Ok(()),
        Value::Bool(flag) => {
            element.write_text_content(BytesText::new(&flag.to_string())).map(drop)
        }
        Value::Number(number) => {
            element.write_text_content(BytesText::new(&number.to_string())).map(drop)
        }
        Value::String(text) => element.write_text_content(BytesText::new(text)).map(drop),
        Value::Array(entries) => element
            .write_inner_content(|writer| {
                let singular = singular(name);
                entries.iter().try_for_each(|entry| self::element(writer, &singular, entry))
            })
            .map(drop),
        Value::Object(members) => element
            .write_inner_content(|writer| {
                members.iter().try_for_each(|(name, value)| self::element(writer, name, value))
            })
            .map(drop),
    }
}

fn singular(plural: &str) -> String {
    plural.strip_suffix('s').unwrap_or("entry").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_document_keeps_its_names() {
        let value = json!({
            "total": 2,
            "stations": [{ "name": "A & <B>", "now": null }, { "name": "C", "now": { "on": true } }],
        });
        let xml = document("list", &value);
        assert!(xml.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?><list>"), "{xml}");
        assert!(xml.contains("<station><name>A &amp; &lt;B&gt;</name></station>"), "{xml}");
        assert!(xml.contains("<station><name>C</name><now><on>true</on></now></station>"), "{xml}");
    }
}
