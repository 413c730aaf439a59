//! What can be wrong with a question.

/// A question about a graph that has no meaning.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// Neither a time nor the id of a node.
    #[error("around '{0}' is neither a time in nanoseconds nor a node id such as p:0123456789abcdef")]
    Around(String),
}
