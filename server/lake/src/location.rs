//! Where a lake is: a local folder or an object store's URL.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Once};

use deltalake_core::logstore::{
    LogStore, LogStoreFactory, ObjectStoreFactory, ObjectStoreRef, StorageConfig, default_logstore,
    logstore_factories, logstore_for, object_store_factories,
};
use deltalake_core::{DeltaResult, DeltaTable, DeltaTableBuilder};
use object_store::path::Path;
use url::Url;

use crate::{Error, Lake};

/// Opens cloud stores with the options given, and with nothing from the environment.
struct CloudFactory;

impl ObjectStoreFactory for CloudFactory {
    fn parse_url_opts(&self, url: &Url, config: &StorageConfig) -> DeltaResult<(ObjectStoreRef, Path)> {
        let (store, path) = object_store::parse_url_opts(url, config.raw.clone())?;
        Ok((Arc::from(store), path))
    }
}

impl LogStoreFactory for CloudFactory {
    fn with_options(
        &self,
        prefixed: ObjectStoreRef,
        root: ObjectStoreRef,
        location: &Url,
        options: &StorageConfig,
    ) -> DeltaResult<Arc<dyn LogStore>> {
        Ok(default_logstore(prefixed, root, location, options))
    }
}

fn register_clouds() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let factory = Arc::new(CloudFactory);
        for scheme in ["s3", "s3a", "gs", "az", "abfs", "abfss"] {
            let key = Url::parse(&format!("{scheme}://")).expect("a scheme alone is a URL");
            object_store_factories().insert(key.clone(), factory.clone());
            logstore_factories().insert(key, factory.clone());
        }
    });
}

pub fn open(location: &str, options: BTreeMap<String, String>) -> Result<Lake, Error> {
    register_clouds();
    let fail = |cause: Box<dyn std::error::Error + Send + Sync>| Error::Open {
        location: location.to_string(),
        cause,
    };
    let (url, folder) = if location.contains("://") && !location.starts_with("file://") {
        let url = Url::parse(&format!("{}/", location.trim_end_matches('/')))
            .map_err(|cause| fail(cause.into()))?;
        (url, None)
    } else {
        let folder = PathBuf::from(location.trim_start_matches("file://"));
        std::fs::create_dir_all(&folder).map_err(|cause| fail(cause.into()))?;
        let folder = folder.canonicalize().map_err(|cause| fail(cause.into()))?;
        let url = Url::from_directory_path(&folder).map_err(|()| fail("not an absolute path".into()))?;
        (url, Some(folder))
    };
    let raw: HashMap<String, String> = options.clone().into_iter().collect();
    let config = StorageConfig::parse_options(raw).map_err(|cause| fail(cause.into()))?;
    let store = logstore_for(&url, config).map_err(|cause| fail(cause.into()))?.object_store(None);
    Ok(Lake { location: location.to_string(), url, options, store, folder })
}

/// The Delta table's handle; nothing is read yet.
pub fn delta_table(lake: &Lake, table: &str) -> Result<DeltaTable, Error> {
    let fail = |cause: Box<dyn std::error::Error + Send + Sync>| Error::Table {
        operation: "open the log",
        table: table.to_string(),
        cause,
    };
    let url = lake.url.join(&format!("tables/{table}/")).map_err(|cause| fail(cause.into()))?;
    if let Some(folder) = &lake.folder {
        std::fs::create_dir_all(folder.join("tables").join(table)).map_err(|cause| fail(cause.into()))?;
    }
    let options: HashMap<String, String> = lake.options.clone().into_iter().collect();
    let builder = DeltaTableBuilder::from_url(url).map_err(|cause| fail(cause.into()))?;
    builder.with_storage_options(options).build().map_err(|cause| fail(cause.into()))
}
