//! What can be wrong with a question.

/// A question about a graph that has no meaning.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// Neither a time nor the id of a node.
    #[error("around '{0}' is neither a time in nanoseconds nor a node id such as p:0123456789abcdef")]
    Around(String),
    /// No way to go.
    #[error("direction '{0}' is none of back, forward and root")]
    Direction(String),
    /// No node of the graph.
    #[error("the graph has no node '{0}'; ids of nodes are in its document")]
    Node(String),
    /// No place in the list.
    #[error("'{0}' is no place in the list: give what `next` was")]
    Cursor(String),
}
