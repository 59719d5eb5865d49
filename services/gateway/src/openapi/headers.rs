//! The headers by which a read is spared, a change is conditional and a download goes on: where each holds, and what comes back.
use http::Method;
use prost_reflect::{Kind, MessageDescriptor, MethodDescriptor};
use serde_json::{Value, json};

use super::HTTP_BODY;
use crate::transcode::HttpRule;

fn is_file(method: &MethodDescriptor) -> bool {
    method.output().full_name() == HTTP_BODY
}

fn is_tagged(message: &MessageDescriptor) -> bool {
    message.get_field_by_name("etag").is_some_and(|field| field.kind() == Kind::String && !field.is_list())
}

// As the transcoder finds it: in the request, or in the message that is its body.
fn takes_tag(method: &MethodDescriptor, rule: &HttpRule) -> bool {
    let body = method.input().get_field_by_name(&rule.body).and_then(|field| match field.kind() {
        Kind::Message(inner) => Some(inner),
        _ => None,
    });
    rule.method != Method::GET && (is_tagged(&method.input()) || body.is_some_and(|inner| is_tagged(&inner)))
}

fn header(name: &str, example: &str, description: &str) -> Value {
    json!({ "name": name, "in": "header", "schema": { "type": "string" }, "example": example, "description": description })
}

/// What a call takes of them.
pub fn parameters(method: &MethodDescriptor, rule: &HttpRule) -> Vec<Value> {
    let mut parameters = Vec::new();
    let (file, read) = (is_file(method), rule.method == Method::GET);
    if read && (file || is_tagged(&method.output())) {
        parameters.push(header(
            "If-None-Match",
            "\"3\"",
            "The ETag that is known: 304 where it is the present one 已知的 ETag，未变化时返回 304",
        ));
    }
    if takes_tag(method, rule) {
        parameters.push(header(
            "If-Match",
            "\"3\"",
            "The ETag that was read: 412 where another change came first 读取时的 ETag，已被他人修改时返回 412",
        ));
    }
    if read && file {
        parameters.push(header(
            "Range",
            "bytes=1048576-",
            "The part that is wanted, one range of bytes 所需的字节范围（断点续传）",
        ));
        parameters.push(header(
            "If-Range",
            "\"3\"",
            "The ETag of the part that is there already: the whole comes where the file is another by now 已有部分的 ETag，文件已变化时返回全部内容",
        ));
    }
    parameters
}

/// The answers of a call whose good one has this content.
pub fn responses(method: &MethodDescriptor, rule: &HttpRule, content: Value) -> Value {
    let text = |description: &str| json!({ "schema": { "type": "string" }, "description": description });
    let mut good = json!({ "description": "Done 成功", "content": content });
    let (file, read) = (is_file(method), rule.method == Method::GET);
    let tag = text("Names this state of it 当前状态的标签");
    if file || is_tagged(&method.output()) {
        good["headers"] = json!({ "ETag": tag });
    }
    let mut responses = json!({ "default": { "$ref": "#/components/responses/Error" } });
    if read && (file || is_tagged(&method.output())) {
        responses["304"] = json!({ "description": "Not changed 未变化", "headers": { "ETag": tag } });
    }
    if read && file {
        good["headers"]["Accept-Ranges"] =
            text("bytes, where a download can go on; else none 是否支持断点续传");
        let range = json!({ "Content-Range": text("Which bytes of how many 字节范围与总长度"), "ETag": tag });
        responses["206"] = json!({ "description": "A part of the file 部分内容", "content": good["content"], "headers": range });
        responses["416"] =
            json!({ "description": "Nothing of the file is in the range 范围超出文件", "headers": range });
    }
    responses["200"] = good;
    responses
}
