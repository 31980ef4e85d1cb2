//! Without the library: run with no preload.

#[test]
fn no_tenant_is_made() {
    if std::env::var_os("LD_PRELOAD").is_some() {
        return;
    }
    assert!(!tenure::active());
    assert_eq!(tenure::library(), None);
    let error = tenure::Tenant::new("t").unwrap_err();
    assert_eq!(error, tenure::Error::NotActive);
    assert!(error.to_string().contains("tenure run"));
    assert!(tenure::Tenant::root().is_none() && tenure::Tenant::current().is_none());
    assert_eq!(tenure::reap(), 0);
}
