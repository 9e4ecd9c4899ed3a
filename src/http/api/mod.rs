//! The resources of the management API, one file each: what a request says, what the answer shows, and thin handlers
//! between.

mod accounts;
mod audit;
mod blocks;
mod credentials;
mod feed;
mod files;
mod folder_rules;
mod folders;
mod history;
mod instances;
mod presets;
mod quota;
mod retention;
mod sessions;
mod tokens;
mod webhook_deliveries;
mod webhooks;

use std::sync::Arc;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::management::Management;

use super::document;

pub(super) use feed::PATH as FEED_PATH;

/// What handlers work with.
type Api = axum::extract::State<Arc<Management>>;

/// All routes that need a token, with their part of the API document.
pub(super) fn routes() -> OpenApiRouter<Arc<Management>> {
    OpenApiRouter::with_openapi(document::base())
        .routes(routes!(instances::list, instances::create))
        .routes(routes!(instances::read, instances::change, instances::remove))
        .routes(routes!(accounts::list_of_instance, accounts::create))
        .routes(routes!(accounts::list))
        .routes(routes!(accounts::read, accounts::change, accounts::remove))
        .routes(routes!(quota::read))
        .routes(routes!(quota::recount))
        .routes(routes!(credentials::list, credentials::add))
        .routes(routes!(credentials::change, credentials::remove))
        .routes(routes!(folders::list, folders::add))
        .routes(routes!(folders::read, folders::change, folders::remove))
        .routes(routes!(retention::preview))
        .routes(routes!(files::list))
        .routes(routes!(files::read, files::store, files::remove))
        .routes(routes!(history::list_transfers))
        .routes(routes!(history::list_sign_ins))
        .routes(routes!(feed::read))
        .routes(routes!(webhooks::list, webhooks::create))
        .routes(routes!(webhooks::read, webhooks::change, webhooks::remove))
        .routes(routes!(webhooks::rotate))
        .routes(routes!(webhooks::pause))
        .routes(routes!(webhooks::resume))
        .routes(routes!(webhooks::test))
        .routes(routes!(webhook_deliveries::list))
        .routes(routes!(webhook_deliveries::read))
        .routes(routes!(webhook_deliveries::replay))
        .routes(routes!(sessions::list))
        .routes(routes!(sessions::disconnect))
        .routes(routes!(blocks::list, blocks::lift))
        .routes(routes!(presets::list))
        .routes(routes!(presets::read))
        .routes(routes!(tokens::list, tokens::create))
        .routes(routes!(tokens::remove))
        .routes(routes!(audit::list))
        .routes(routes!(audit::export))
}

/// A page of a list in the API's form.
macro_rules! page {
    ($(#[$doc:meta])* $name:ident of $item:ty) => {
        $(#[$doc])*
        #[derive(Debug, serde::Serialize, utoipa::ToSchema)]
        pub struct $name {
            items: Vec<$item>,
            /// Hand it back as `cursor` for the next page; `null`: this is the last.
            #[schema(required)]
            next_cursor: Option<String>,
        }

        impl<T> From<$crate::management::Page<T>> for $name
        where
            $item: From<T>,
        {
            fn from(page: $crate::management::Page<T>) -> Self {
                let page = page.map(<$item>::from);
                Self { items: page.items, next_cursor: page.next }
            }
        }
    };
}
use page;
