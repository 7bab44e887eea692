//! The tools: the single list, their schemas and effects, and those that the broker does itself.
//! To add one: a file, and a line in [`Registry::new`].

mod current_time;
mod math_eval;
mod plan_propose;
pub(crate) mod quarantine;
pub(crate) mod web_fetch;
mod workspace;

use carapace_contract::id::{Digest, ToolName};
use carapace_contract::tool::{Invocation, Tool};
use carapace_ipc_proto::error::{Code, ErrorWord};
use carapace_store::Recorded;
use serde_json::Value;
use std::collections::BTreeMap;

type Run = fn(&Value) -> Result<String, String>;

struct Entry {
    tool: Tool,
    /// Of the tool as it is offered; taken once.
    manifest: Digest,
    schema: jsonschema::Validator,
    run: Option<Run>,
}

/// All tools.
pub(crate) struct Registry(BTreeMap<ToolName, Entry>);

impl Registry {
    /// The list.
    pub(crate) fn new(exec_seconds: u64, web: bool) -> Self {
        let mut tools: Vec<(Tool, Option<Run>)> = vec![
            (current_time::tool(), Some(current_time::run)),
            (math_eval::tool(), Some(math_eval::run)),
            (plan_propose::tool(), None),
        ];
        if web {
            tools.push((web_fetch::tool(), None));
        }
        tools.extend(quarantine::tools().into_iter().map(|tool| (tool, None)));
        tools.extend(
            workspace::tools(exec_seconds)
                .into_iter()
                .map(|tool| (tool, None)),
        );
        let entry = |(tool, run): (Tool, Option<Run>)| {
            // The schemas are constants of this program; a test compiles each.
            let schema =
                jsonschema::validator_for(&tool.schema).expect("a tool's schema is a schema");
            let manifest = tool.manifest_digest();
            (
                tool.name.clone(),
                Entry {
                    tool,
                    manifest,
                    schema,
                    run,
                },
            )
        };
        Self(tools.into_iter().map(entry).collect())
    }

    /// All of them, by name.
    pub(crate) fn tools(&self) -> impl Iterator<Item = &Tool> {
        self.0.values().map(|entry| &entry.tool)
    }

    /// One of them.
    pub(crate) fn tool(&self, name: &ToolName) -> Option<&Tool> {
        self.0.get(name).map(|entry| &entry.tool)
    }

    /// The digest of its manifest.
    pub(crate) fn manifest(&self, name: &ToolName) -> Option<Digest> {
        self.0.get(name).map(|entry| entry.manifest)
    }

    /// Where arguments do not fit a tool's schema: the place and the problem.
    pub(crate) fn misfit(&self, name: &ToolName, arguments: &Value) -> Option<(String, String)> {
        let Some(entry) = self.0.get(name) else {
            return Some((String::new(), "there is no such tool".to_owned()));
        };
        if entry.schema.is_valid(arguments) {
            return None;
        }
        let error = entry.schema.iter_errors(arguments).next()?;
        let problem: String = error.to_string().chars().take(300).collect();
        Some((error.instance_path().to_string(), problem))
    }

    /// Does what a recorded call says, for a tool of the broker's own.
    pub(crate) fn run(&self, call: &Recorded<Invocation>) -> Result<String, ErrorWord> {
        let call = call.what();
        let run = self.0.get(&call.tool).and_then(|entry| entry.run);
        let run =
            run.ok_or_else(|| ErrorWord::new(Code::HandlerError, 6, "this tool is not done here"))?;
        run(&call.arguments).map_err(|message| ErrorWord::new(Code::HandlerError, 6, message))
    }
}

/// A tool's name, which is a constant of this program.
fn name(text: &str) -> ToolName {
    text.parse().expect("a tool's name is of its form")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_schema_is_closed_at_every_level() {
        fn check(name: &ToolName, schema: &Value) {
            // Below a plan's step stands what another tool takes; it is read against that tool's schema.
            let of_another = name.as_str() == "plan.propose" && schema["maxProperties"].is_u64();
            if schema["type"] == "object" && !of_another {
                assert_eq!(schema["additionalProperties"], json!(false), "{name}");
            }
            for part in schema["properties"]
                .as_object()
                .into_iter()
                .flat_map(|all| all.values())
            {
                check(name, part);
            }
            if schema["items"].is_object() {
                check(name, &schema["items"]);
            }
        }
        let registry = Registry::new(60, true);
        for tool in registry.tools() {
            assert_eq!(tool.schema["type"], "object");
            check(&tool.name, &tool.schema);
        }
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let registry = Registry::new(60, true);
        let read = name("read");
        assert_eq!(registry.misfit(&read, &json!({ "path": "a" })), None);
        assert!(registry.misfit(&read, &json!({})).is_some());
        let (field, _) = registry
            .misfit(&read, &json!({ "path": 7 }))
            .expect("a number is no path");
        assert_eq!(field, "/path");
        assert!(
            registry
                .misfit(&read, &json!({ "path": "a", "session": "b" }))
                .is_some()
        );
        assert!(
            registry
                .misfit(&name("exec"), &json!({ "argv": [] }))
                .is_some()
        );
    }
}
