//! The routes, and what holds for each that changes something.

use std::convert::Infallible;

use axum::Router;
use axum::handler::Handler;
use axum::middleware::from_fn;
use axum::routing::MethodRouter;

use super::App;
use super::extract::json_only;

/// Routes of the API and page.
#[derive(Debug, Default)]
pub(super) struct Routes {
    router: Router<App>,
    paths: Vec<String>,
}

impl Routes {
    /// Adds the methods of a path. Each has to be described, too: see [`super::operations`].
    pub(super) fn route(mut self, path: &str, methods: MethodRouter<App, Infallible>) -> Self {
        self.router = self.router.route(path, methods.route_layer(from_fn(json_only)));
        self.paths.push(path.to_owned());
        self
    }

    /// Adds those of a module.
    pub(super) fn merge(mut self, of_module: Self) -> Self {
        self.router = self.router.merge(of_module.router);
        self.paths.extend(of_module.paths);
        self
    }

    /// Their paths.
    #[cfg(test)]
    pub(super) fn paths(&self) -> &[String] {
        &self.paths
    }

    /// All of them, and what answers other paths and methods.
    pub(super) fn into_router<F, T, M, U>(self, unknown: F, not_allowed: M) -> Router<App>
    where
        F: Handler<T, App>,
        T: 'static,
        M: Handler<U, App>,
        U: 'static,
    {
        self.router.fallback(unknown).method_not_allowed_fallback(not_allowed)
    }
}
