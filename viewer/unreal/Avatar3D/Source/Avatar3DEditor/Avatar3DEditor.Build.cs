using UnrealBuildTool;

public class Avatar3DEditor : ModuleRules
{
	public Avatar3DEditor(ReadOnlyTargetRules Target) : base(Target)
	{
		PCHUsage = PCHUsageMode.UseExplicitOrSharedPCHs;

		PublicDependencyModuleNames.AddRange(new string[] { "Core", "CoreUObject", "Engine", "UnrealEd", "Avatar3D" });
	}
}
