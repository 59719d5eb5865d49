//! Models in the contract's JSON, random ones, and the second reading of the contract, for the tests.
#![allow(dead_code, reason = "each test uses its part")]
pub mod random;
pub mod reference;

use contract::grading::v1::Model;
use prost_reflect::{DescriptorPool, DynamicMessage};
use serde::de::DeserializeOwned;

/// Reads a model as the gateway does: by proto3's JSON mapping, unknown fields refused.
pub fn model<'de, D: serde::Deserializer<'de>>(json: D) -> Model
where
    D::Error: std::fmt::Debug,
{
    let pool = DescriptorPool::decode(contract::DESCRIPTOR_SET).unwrap();
    let descriptor = pool.get_message_by_name("xinheng.grading.v1.Model").unwrap();
    DynamicMessage::deserialize(descriptor, json).unwrap().transcode_to().unwrap()
}

/// Reads YAML, with the text in the failure.
pub fn yaml<T: DeserializeOwned>(text: &str) -> T {
    serde_yaml_ng::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}
