//! A store for many customers in one process, each with a quota: one thread for each connection, lines of text.
//!
//!     put CUSTOMER KEY LENGTH\n<bytes>    ok, or "full" when the customer's quota is used up
//!     get CUSTOMER KEY                    LENGTH\n<bytes>, or "none"
//!     stats CUSTOMER                      bytes in use and refused requests
//!
//! tenure run -- service [PORT]            (port 0: a free port, which is printed)

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use tenure::{Limit, Policy, Tenant};

#[global_allocator]
static GLOBAL: tenure::Malloc = tenure::Malloc;

const QUOTA: usize = 16 << 20;

struct Customer {
    tenant: Tenant,
    values: Mutex<HashMap<String, Vec<u8>>>,
}

type Customers = Mutex<HashMap<String, Arc<Customer>>>;

fn customer(customers: &Customers, name: &str) -> Result<Arc<Customer>, tenure::Error> {
    let mut all = customers.lock().unwrap();
    if let Some(found) = all.get(name) {
        return Ok(found.clone());
    }
    let tenant = Tenant::new(name)?;
    tenant.set_limit(Limit::Max, Some(QUOTA))?;
    tenant.set_policy(Policy::FailLarge)?;
    let made = Arc::new(Customer { tenant, values: Mutex::default() });
    all.insert(name.to_string(), made.clone());
    Ok(made)
}

/// The customer's memory, asked for in a way that can be refused. The small rest (the key, the table) has the reserve.
fn put(customer: &Customer, key: &str, length: usize, from: &mut impl Read) -> std::io::Result<bool> {
    let _scope = customer.tenant.enter();
    let mut value = Vec::new();
    let room = value.try_reserve_exact(length).is_ok() && customer.values.lock().unwrap().try_reserve(1).is_ok();
    if !room {
        std::io::copy(&mut from.take(length as u64), &mut std::io::sink())?;
        return Ok(false);
    }
    from.take(length as u64).read_to_end(&mut value)?;
    customer.values.lock().unwrap().insert(key.to_string(), value);
    Ok(true)
}

fn answer(customers: &Customers, line: &str, from: &mut impl Read, to: &mut impl Write) -> std::io::Result<()> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let name = words.get(1).copied().unwrap_or("");
    let customer = match customer(customers, name) {
        Ok(customer) => customer,
        Err(error) => return writeln!(to, "error {error}"),
    };
    match words[..] {
        ["put", _, key, length] => {
            let length = length.parse().unwrap_or(0);
            let kept = put(&customer, key, length, from)?;
            writeln!(to, "{}", if kept { "ok" } else { "full" })
        }
        ["get", _, key] => match customer.values.lock().unwrap().get(key) {
            Some(value) => {
                writeln!(to, "{}", value.len())?;
                to.write_all(value)
            }
            None => writeln!(to, "none"),
        },
        ["stats", _] => {
            let stats = customer.tenant.stats();
            writeln!(to, "{} {}", stats.usage, stats.failures)
        }
        _ => writeln!(to, "error unknown"),
    }
}

fn serve(customers: &Customers, stream: TcpStream) -> std::io::Result<()> {
    let mut from = BufReader::new(stream.try_clone()?);
    let mut to = stream;
    let mut line = String::new();
    while from.read_line(&mut line)? > 0 {
        answer(customers, &line, &mut from, &mut to)?;
        tenure::checkpoint();
        line.clear();
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    drop(Tenant::new("probe").map(|probe| probe.offline())?); // Says how to start the program, where it is started otherwise
    let port = std::env::args().nth(1).map_or(Ok(7070), |text| text.parse())?;
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    println!("{}", listener.local_addr()?.port());
    let customers = Arc::new(Customers::default());
    for stream in listener.incoming() {
        let (customers, stream) = (customers.clone(), stream?);
        std::thread::spawn(move || serve(&customers, stream));
    }
    Ok(())
}
