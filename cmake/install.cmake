include(CMakePackageConfigHelpers)

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/tenure")
install(TARGETS tenure_shared tenure_static EXPORT tenure
        LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
        ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(TARGETS tenure_rules_shared LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}")
if(TARGET tenure_tool)
  install(TARGETS tenure_tool RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
  # Completion: where the shells of distributions look.
  install(FILES "${PROJECT_SOURCE_DIR}/tools/completion/tenure.bash"
          DESTINATION "${CMAKE_INSTALL_DATADIR}/bash-completion/completions" RENAME tenure)
  install(FILES "${PROJECT_SOURCE_DIR}/tools/completion/_tenure"
          DESTINATION "${CMAKE_INSTALL_DATADIR}/zsh/site-functions")
endif()
if(EXISTS "${PROJECT_SOURCE_DIR}/include/tenure")
  install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/tenure"
          DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")
endif()
foreach(section IN ITEMS 1 3 5 7)
  file(GLOB pages CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/docs/man/*.${section}")
  foreach(page IN LISTS pages)
    install(FILES "${page}" DESTINATION "${CMAKE_INSTALL_MANDIR}/man${section}")
    # Every name that stands before the dash of a page leads to it.
    cmake_path(GET page FILENAME file)
    file(READ "${page}" text)
    string(REGEX MATCH "\n\\.SH NAME\n([^\\]*)" name_section "${text}")
    string(REGEX MATCHALL "[A-Za-z0-9_.-]+" names "${CMAKE_MATCH_1}")
    foreach(name IN LISTS names)
      if(NOT EXISTS "${PROJECT_SOURCE_DIR}/docs/man/${name}.${section}")
        set(link "${PROJECT_BINARY_DIR}/man/${name}.${section}")
        file(CONFIGURE OUTPUT "${link}" CONTENT ".so man${section}/${file}\n")
        install(FILES "${link}" DESTINATION "${CMAKE_INSTALL_MANDIR}/man${section}")
      endif()
    endforeach()
  endforeach()
endforeach()

# pkg-config; the prefix is found from where the file lies, so that --prefix at install time works.
set(pkgconfig_dir "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
file(RELATIVE_PATH TENURE_PC_PREFIX "${CMAKE_INSTALL_PREFIX}/${pkgconfig_dir}"
     "${CMAKE_INSTALL_PREFIX}")
configure_file("${PROJECT_SOURCE_DIR}/cmake/tenure.pc.in" "${PROJECT_BINARY_DIR}/tenure.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/tenure.pc" DESTINATION "${pkgconfig_dir}")

# find_package(tenure): tenure::tenure and tenure::tenure_static.
install(EXPORT tenure NAMESPACE tenure:: FILE tenure-targets.cmake DESTINATION "${package_dir}")
configure_package_config_file(
  "${PROJECT_SOURCE_DIR}/cmake/tenure-config.cmake.in" "${PROJECT_BINARY_DIR}/tenure-config.cmake"
  INSTALL_DESTINATION "${package_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/tenure-config-version.cmake"
                                 COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/tenure-config.cmake"
              "${PROJECT_BINARY_DIR}/tenure-config-version.cmake" DESTINATION "${package_dir}")
