using System.IO;
using UnrealBuildTool;

public class Avatar3D : ModuleRules
{
	public Avatar3D(ReadOnlyTargetRules Target) : base(Target)
	{
		PCHUsage = PCHUsageMode.UseExplicitOrSharedPCHs;

		// The C++ runtime: `avatar3d export --format unreal` puts it beside this module; in a checkout of avatar3d it lies where it is developed.
		string Exported = Path.Combine(PluginDirectory, "Source", "ThirdParty", "a3d");
		string Checkout = Path.GetFullPath(Path.Combine(PluginDirectory, "..", "..", "runtime"));
		string Runtime = File.Exists(Path.Combine(Exported, "a3d.hpp")) ? Exported : Checkout;
		if (!File.Exists(Path.Combine(Runtime, "a3d.hpp")))
		{
			throw new BuildException("The C++ runtime is neither in {0} nor in {1}; use `avatar3d export --format unreal`", Exported, Checkout);
		}
		PublicSystemIncludePaths.Add(Runtime);

		PublicDependencyModuleNames.AddRange(new string[] { "Core", "CoreUObject", "Engine", "LiveLinkInterface", "Niagara" });
		PrivateDependencyModuleNames.AddRange(new string[] { "InputCore", "Json", "Networking", "Slate", "SlateCore", "Sockets" });
	}
}
