# Strings, hashes, symbols, threads, fibers and forks, with the collector compacting in between.
require 'digest'
require 'zlib'

state = 7
step = -> { state = (state * 1103515245 + 12345) & 0x7fffffff; state >> 8 }
digest = Digest::SHA256.new
table = {}
250_000.times do |i|
  key = "key#{step.call % 30_000}"
  case i % 3
  when 0 then table[key] = 'x' * (step.call % 400)
  when 1 then table.delete(key)
  else table[key] = (0..i % 30).to_a.map(&:to_s)
  end
end
GC.compact if GC.respond_to?(:compact)
table.keys.sort.each { |key| digest << key << table[key].to_s }

lines = (0...8).map do |n|
  Thread.new { Zlib::Inflate.inflate(Zlib::Deflate.deflate("thread #{n} " * 20_000)).size }
end
digest << lines.map(&:value).join(',')
fibers = (0...2000).map { |n| Fiber.new { Fiber.yield("fiber #{n}" * 10) } }
digest << fibers.map(&:resume).join
20.times do |n|
  reader, writer = IO.pipe
  pid = fork do
    reader.close
    writer.write((0...3000).map { |i| (i * n).to_s }.sort.last(5).join(' '))
    writer.close
    exit!(0)
  end
  writer.close
  digest << reader.read
  Process.wait(pid)
  raise 'child failed' unless $?.success?
end
puts digest.hexdigest
